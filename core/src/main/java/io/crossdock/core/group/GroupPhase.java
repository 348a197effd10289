package io.crossdock.core.group;

/// What a group was doing when something went wrong.
///
/// Safe for any thread.
enum GroupPhase {
  /// The ranks are finding each other.
  RENDEZVOUS,
  /// An all-gather is incomplete.
  ALL_GATHER,
  /// A barrier is incomplete.
  BARRIER,
  /// No collective was under way.
  IDLE
}
