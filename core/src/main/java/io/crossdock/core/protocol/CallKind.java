package io.crossdock.core.protocol;

/// What a rank entered an epoch with.
///
/// Safe for any thread.
public enum CallKind {
  /// A dispatch that brings its row of the count matrix.
  FRESH_DISPATCH,
  /// A dispatch along the handle of an earlier one.
  CACHED_DISPATCH,
  /// A further round of a dispatch whose windows were too small.
  DISPATCH_ROUND,
  /// Expert outputs lie ready to be pulled.
  COMBINE,
  /// A further round of a combine whose windows were too small.
  COMBINE_ROUND,
  /// The rank's call was invalid; nobody places or pulls anything in this epoch.
  REFUSED;

  private static final CallKind[] VALUES = values();

  /// {@return the kind with the given ordinal, as it travels between ranks}
  ///
  /// @param ordinal 0 to 5
  public static CallKind of(int ordinal) {
    return VALUES[ordinal];
  }
}
