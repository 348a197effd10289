package io.crossdock.core;

import java.io.Serial;

/// A peer's call was invalid, so the collective call was given up on every rank. The buffer stays
/// usable.
///
/// Safe for any thread.
public final class RefusedException extends CrossdockException {
  @Serial private static final long serialVersionUID = 1L;
  private final int peer;

  /// Creates the exception.
  ///
  /// @param peer the rank that refused
  /// @param reason the refusing rank's own error message
  public RefusedException(int peer, String reason) {
    super("peer refused the call: peer=" + peer + ", reason=" + reason);
    this.peer = peer;
  }

  /// {@return the rank that refused}
  public int peer() {
    return peer;
  }
}
