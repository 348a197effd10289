package io.crossdock.core;

import java.io.Serial;

/// A rank's transport to other nodes could not be opened or connected. Every rank is told.
///
/// Safe for any thread.
public final class TransportUnavailableException extends CrossdockException {
  @Serial private static final long serialVersionUID = 1L;

  /// Creates the exception of the rank that failed.
  ///
  /// @param rank this rank
  /// @param reason how it failed, in words
  /// @param cause how it failed
  public TransportUnavailableException(int rank, String reason, Throwable cause) {
    super("this rank does not reach other nodes: rank=" + rank + ", reason=" + reason, cause);
  }

  /// Creates the exception of the other ranks.
  ///
  /// @param rank this rank
  /// @param peer the rank that failed
  /// @param reason its message
  public TransportUnavailableException(int rank, int peer, String reason) {
    super(
        "a rank does not reach other nodes: rank="
            + rank
            + ", peer="
            + peer
            + ", reason="
            + reason);
  }
}
