package io.crossdock.core;

import java.io.Serial;

/// A rank gave up a call in flight and took the buffer down with it. Every later call is refused
/// until [EpBuffer#reset()].
///
/// Safe for any thread.
public final class AbortedException extends CrossdockException {
  @Serial private static final long serialVersionUID = 1L;
  private final int origin;

  /// Creates the exception.
  ///
  /// @param origin the rank that aborted
  /// @param reason that rank's own error message
  public AbortedException(int origin, String reason) {
    super("buffer was aborted: origin=" + origin + ", reason=" + reason);
    this.origin = origin;
  }

  /// {@return the rank that aborted}
  public int origin() {
    return origin;
  }
}
