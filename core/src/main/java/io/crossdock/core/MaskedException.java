package io.crossdock.core;

import java.io.Serial;

/// A peer gave this rank up: it was masked and takes part in no call until all ranks call
/// [EpBuffer#cleanMask()].
///
/// Safe for any thread.
public final class MaskedException extends CrossdockException {
  @Serial private static final long serialVersionUID = 1L;
  private final int peer;

  /// Creates the exception.
  ///
  /// @param rank this rank
  /// @param peer the rank that masked it
  public MaskedException(int rank, int peer) {
    super(
        "this rank was masked: rank="
            + rank
            + ", peer="
            + peer
            + ", remedy=cleanMask on all ranks");
    this.peer = peer;
  }

  /// {@return the rank that masked this one}
  public int peer() {
    return peer;
  }
}
