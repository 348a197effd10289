package io.crossdock.cli;

/// How the ranks of a job run.
///
/// Safe for any thread.
enum LaunchMode {
  /// One thread of this process a rank.
  threads,
  /// One process a rank.
  processes
}
