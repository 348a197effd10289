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
  PULL
}
