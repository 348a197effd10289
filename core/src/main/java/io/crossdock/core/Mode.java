package io.crossdock.core;

/// What a buffer is used for.
///
/// Safe for any thread.
public enum Mode {
  /// High throughput: training and prefill.
  NORMAL,
  /// Low latency: decode.
  LOW_LATENCY
}
