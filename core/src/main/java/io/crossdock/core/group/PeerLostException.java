package io.crossdock.core.group;

import java.io.Serial;

/// The connection to a rank that had joined broke, or that rank left the group.
///
/// Safe for any thread.
public final class PeerLostException extends GroupException {
  @Serial private static final long serialVersionUID = 1L;

  private final int peer;

  /// Creates the exception.
  ///
  /// @param message what failed, then `key=value` facts
  /// @param peer the rank that was lost
  public PeerLostException(String message, int peer) {
    super(message);
    this.peer = peer;
  }

  /// The rank that was lost.
  ///
  /// @return the rank
  public int peer() {
    return peer;
  }
}
