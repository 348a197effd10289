package io.crossdock.core.protocol;

/// What a rank says of itself to its peers.
///
/// Safe for any thread.
public enum PeerState {
  /// Takes part in calls.
  RUNNING,
  /// Closes its buffer: it will enter no further epoch.
  LEAVING,
  /// Gave up a call in flight: the buffer is refused everywhere until reset.
  ABORTED
}
