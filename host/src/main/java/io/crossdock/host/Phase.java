package io.crossdock.host;

/// What a wait waits for; named in its error.
///
/// Safe for any thread.
enum Phase {
  /// A peer's entry of the epoch.
  ENTER,
  /// A peer's rows.
  FINISH,
  /// A peer's pull of an expert-output window.
  PULL,
  /// Rows of another node; they are counted in the error, not epochs.
  ARRIVE,
  /// Partial sums of another node, counted likewise.
  PARTIAL,
  /// The network, until it has taken what was put.
  SENT,
  /// The last words of calls that were given up.
  DRAIN,
  /// Low latency: a peer's completion of the call that used the same slots.
  GRANT,
  /// Low latency: a source's rows of a dispatch, expert outputs or clean.
  RECEIVE,
  /// Low latency: a rank that comes back, or one that acknowledges it.
  REJOIN
}
