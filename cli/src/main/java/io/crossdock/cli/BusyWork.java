package io.crossdock.cli;

/// Arithmetic that keeps the calling thread busy for a while, as an expert would.
///
/// Safe for any thread.
final class BusyWork {
  private static final int STEPS = 2_000;

  /// Where results go, so that the work is not optimised away.
  private static volatile float sink;

  private BusyWork() {}

  /// Computes until the time is over.
  ///
  /// @param nanos at least this long
  static void spend(long nanos) {
    long end = System.nanoTime() + nanos;
    float value = sink;
    do {
      for (int i = 0; i < STEPS; i++) {
        value = Math.fma(value, 0.999f, 1.0f);
      }
    } while (System.nanoTime() < end);
    sink = value;
  }
}
