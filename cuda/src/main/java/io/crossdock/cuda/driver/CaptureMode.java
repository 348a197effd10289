package io.crossdock.cuda.driver;

/// Which calls of the process are refused while a stream is captured, with the numbers of
/// `CUstreamCaptureMode`.
///
/// Safe for any thread.
public enum CaptureMode {
  /// Unsafe calls of the capturing thread.
  THREAD_LOCAL(1),
  /// None.
  RELAXED(2);

  private final int code;

  CaptureMode(int code) {
    this.code = code;
  }

  int code() {
    return code;
  }
}
