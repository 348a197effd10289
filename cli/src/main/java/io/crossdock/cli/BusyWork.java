package io.crossdock.cli;

/// Arithmetic that keeps the calling thread busy for a while, as an expert would.
///
/// Safe for any thread.
final class BusyWork {
  private static final int STEPS = 2_000;

  /// The first probes run before the compiler has seen the loop.
  private static final int PROBES = 20;

  private static final long PROBE_STEPS = 500;

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

  /// Computes a fixed amount of work, however long it takes.
  ///
  /// @param steps so many thousand multiply-adds
  static void compute(long steps) {
    float value = sink;
    for (long step = 0; step < steps; step++) {
      for (int i = 0; i < 1000; i++) {
        value = Math.fma(value, 0.999f, 1.0f);
      }
    }
    sink = value;
  }

  /// {@return thousands of multiply-adds that take about so long; the fastest of several probes
  /// counts}
  ///
  /// @param nanos of work
  static long stepsOf(long nanos) {
    long best = Long.MAX_VALUE;
    for (int probe = 0; probe < PROBES; probe++) {
      long start = System.nanoTime();
      compute(PROBE_STEPS);
      best = Math.min(best, System.nanoTime() - start);
    }
    return Math.max(1, nanos * PROBE_STEPS / best);
  }
}
