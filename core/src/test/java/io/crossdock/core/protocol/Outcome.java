package io.crossdock.core.protocol;

/// How a call ended on a rank, named after what it throws.
enum Outcome {
  /// Not made yet.
  NEW,
  /// Reserved, and waiting for the communication stream.
  ADMITTED,
  /// Carried out.
  OK,
  /// This rank refused it, for a bad argument.
  INVALID,
  /// This rank refused it: every window is held.
  LEASE,
  /// A peer refused it.
  REFUSED,
  /// The ranks made different calls.
  MISMATCH,
  /// More rows would have arrived than fit.
  CAPACITY,
  /// This rank gave up waiting.
  TIMED_OUT,
  /// This rank's call broke down between two waits.
  BROKEN,
  /// A peer gave up.
  ABORTED,
  /// A peer left.
  PEER_LEFT,
  /// A rank had given up before the call was made.
  CLOSED;

  boolean isFinal() {
    return compareTo(ADMITTED) > 0;
  }

  static Outcome of(Verdict verdict) {
    return switch (verdict) {
      case PROCEED -> OK;
      case REFUSED -> REFUSED;
      case MISMATCH -> MISMATCH;
      case OVER_CAPACITY -> CAPACITY;
    };
  }
}
