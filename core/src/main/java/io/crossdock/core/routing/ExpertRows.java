package io.crossdock.core.routing;

/// What experts give back in low-latency mode, as it is when it is home: BF16 widened, or decoded
/// from another format.
///
/// Safe for any thread if the implementation is.
@FunctionalInterface
public interface ExpertRows {
  /// Reads the row of one selection.
  ///
  /// @param home rank of the token
  /// @param token index at home
  /// @param expert global id
  /// @param values receives H float32
  void read(int home, int token, int expert, float[] values);
}
