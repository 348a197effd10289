package io.crossdock.cuda.driver;

import java.util.concurrent.atomic.AtomicBoolean;

/// A value of the driver that is used until its owner is closed.
///
/// Safe for any thread.
final class Handle {
  private final Owned kind;
  private final long value;
  private final AtomicBoolean closed = new AtomicBoolean();

  Handle(Owned kind, long value) {
    this.kind = kind;
    this.value = value;
    kind.made();
  }

  /// The value.
  ///
  /// @throws IllegalStateException if the owner is closed
  long value() {
    if (closed.get()) {
      throw new IllegalStateException(kind + " is closed: handle=0x" + Long.toHexString(value));
    }
    return value;
  }

  /// True for the first caller, who releases the value.
  boolean close() {
    boolean first = closed.compareAndSet(false, true);
    if (first) {
      kind.released();
    }
    return first;
  }

  /// The value, for its release.
  long closedValue() {
    return value;
  }
}
