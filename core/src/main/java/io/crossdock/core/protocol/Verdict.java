package io.crossdock.core.protocol;

/// What all ranks conclude, alike, once every entry of an epoch was seen.
///
/// Safe for any thread.
public enum Verdict {
  /// Place or pull.
  PROCEED,
  /// A rank refused: all throw, nobody places.
  REFUSED,
  /// The ranks made different calls: all throw, nobody places.
  MISMATCH,
  /// A rank would receive more than it announced room for and cannot be served in rounds: all
  /// throw.
  OVER_CAPACITY
}
