package io.crossdock.core.protocol;

/// The collective calls of low-latency mode.
///
/// Safe for any thread.
public enum LowLatencyKind {
  /// Rows go to the ranks of their experts.
  DISPATCH,
  /// Expert outputs go home.
  COMBINE,
  /// No rows: all living ranks came here.
  CLEAN;

  private static final LowLatencyKind[] VALUES = values();

  /// {@return the kind with the given ordinal, as it travels between ranks}
  ///
  /// @param ordinal 0 to 2
  public static LowLatencyKind of(int ordinal) {
    return VALUES[ordinal];
  }
}
