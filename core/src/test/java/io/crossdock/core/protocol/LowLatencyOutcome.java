package io.crossdock.core.protocol;

/// How a low-latency call ended on a rank.
enum LowLatencyOutcome {
  /// Not made, or between its halves.
  OPEN,
  OK,
  /// This rank's arguments are bad.
  INVALID,
  /// A peer refused it.
  REFUSED,
  MISMATCH,
  /// A peer gave this rank up.
  MASKED,
  /// A handshake came before the hook ran.
  ABANDONED
}
