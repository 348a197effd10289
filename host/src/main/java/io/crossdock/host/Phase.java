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
  /// Low latency: a peer's completion of the call that used the same slots.
  GRANT,
  /// Low latency: a source's rows of a dispatch, expert outputs or clean.
  RECEIVE,
  /// Low latency: a rank that comes back, or one that acknowledges it.
  REJOIN
}
