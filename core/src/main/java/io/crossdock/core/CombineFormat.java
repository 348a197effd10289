package io.crossdock.core;

/// How expert outputs travel home in a low-latency combine.
///
/// Safe for any thread.
public enum CombineFormat {
  /// BF16 as given.
  BF16,
  /// LogFMT-10 (`useLogFmt`): some 5/8 of the bytes, lossy.
  LOGFMT10
}
