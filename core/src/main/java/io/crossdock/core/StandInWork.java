package io.crossdock.core;

/// Arithmetic that stands for attention or experts where a benchmark measures what communication
/// costs beside it. It touches no memory of the caller.
///
/// Safe for any thread.
public final class StandInWork {
  /// The first probes run before the compiler has seen the loop.
  private static final int PROBES = 20;

  private static final long PROBE_STEPS = 500;
  private static final int FMAS_OF_STEP = 1000;

  /// Where results go, so that the work is not optimised away.
  private static volatile float sink;

  /// How much of a GPU computes. A host engine computes on the calling thread.
  ///
  /// Safe for any thread.
  public enum Extent {
    /// The rank's share of its GPU's multiprocessors.
    RANK,
    /// All multiprocessors.
    DEVICE
  }

  private StandInWork() {}

  /// Computes on the current stream: on a GPU the work is only enqueued, unless there is no current
  /// stream.
  ///
  /// @param buffer whose engine computes
  /// @param extent how much of a GPU computes
  /// @param steps of a fixed amount of work each
  public static void run(EpBuffer buffer, Extent extent, long steps) {
    buffer.session().compute(extent, steps);
  }

  /// {@return steps that take about so long; the fastest of several probes counts}
  ///
  /// @param buffer whose engine computes
  /// @param extent how much of a GPU computes
  /// @param nanos of work
  public static long stepsOf(EpBuffer buffer, Extent extent, long nanos) {
    double best = Double.MAX_VALUE;
    try (CallTimer timer = buffer.timer()) {
      for (int probe = 0; probe < PROBES; probe++) {
        timer.start();
        run(buffer, extent, PROBE_STEPS);
        timer.stop();
        best = Math.min(best, timer.micros());
      }
    }
    return Math.max(1, (long) (nanos / 1e3 * PROBE_STEPS / best));
  }

  /// Computes on the calling thread.
  ///
  /// @param steps thousands of multiply-adds
  public static void onThisThread(long steps) {
    float value = sink;
    for (long step = 0; step < steps; step++) {
      for (int i = 0; i < FMAS_OF_STEP; i++) {
        value = Math.fma(value, 0.999f, 1.0f);
      }
    }
    sink = value;
  }
}
