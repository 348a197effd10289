package io.crossdock.core;

/// When a call returns.
///
/// Safe for any thread.
public enum Completion {
  /// The call returns when its outputs are complete.
  SYNCHRONOUS,
  /// The call returns as early as it can (`asyncFinish`): its outputs are complete when its event
  /// is. A fresh dispatch still waits for the counts, since they decide the shapes, unless
  /// numWorstTokens is given.
  ASYNC_FINISH
}
