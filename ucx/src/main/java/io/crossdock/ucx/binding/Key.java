package io.crossdock.ucx.binding;

/// The right to put into a peer's memory.
///
/// Confined to one thread at a time.
public final class Key implements AutoCloseable {
  private long handle;

  Key(long handle) {
    this.handle = handle;
  }

  long handle() {
    return handle;
  }

  /// Gives it back. Idempotent.
  @Override
  public void close() {
    if (handle != 0) {
      Ucp.keyDestroy(handle);
      handle = 0;
    }
  }
}
