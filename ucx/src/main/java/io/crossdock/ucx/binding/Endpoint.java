package io.crossdock.ucx.binding;

import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/// A worker's way to a peer's worker. Ends with [Operation#close].
///
/// Confined to one thread at a time.
public final class Endpoint {
  private final long handle;

  Endpoint(long handle) {
    this.handle = handle;
  }

  /// {@return the right to put into the peer's memory}
  ///
  /// @param packed from [Context#pack] of the peer
  public Key unpack(byte[] packed) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment bytes = arena.allocateFrom(ValueLayout.JAVA_BYTE, packed);
      MemorySegment out = arena.allocate(JAVA_LONG);
      byte status = Ucp.keyUnpack(handle, bytes.address(), out.address());
      Ucp.check("ucp_ep_rkey_unpack", status);
      return new Key(out.get(JAVA_LONG, 0));
    }
  }

  long handle() {
    return handle;
  }
}
