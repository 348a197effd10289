package io.crossdock.host;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/// The analytic choice of workers: as many as it takes to reach the machine's copy rate, within
/// this rank's share of the cores. One measurement per process, some ten milliseconds.
///
/// Safe for any thread.
final class HostRates {
  private static final long BYTES = 16L << 20;
  private static final int REPEATS = 3;

  /// Each needs memory to measure with: on a large machine all cores would touch gigabytes.
  private static final int MAX_WORKERS = 16;

  private static int saturating;

  private HostRates() {}

  /// {@return workers for a rank of a node with the given number of ranks}
  ///
  /// @param numLocalRanks ranks that share the machine
  static int workers(int numLocalRanks) {
    int share = Math.max(1, Runtime.getRuntime().availableProcessors() / numLocalRanks);
    return share == 1 ? 1 : Math.min(share, saturating());
  }

  private static synchronized int saturating() {
    if (saturating == 0) {
      int cores = Math.min(MAX_WORKERS, Runtime.getRuntime().availableProcessors());
      double one = copyBytesPerNano(1);
      double all = copyBytesPerNano(cores);
      saturating = Math.clamp((long) Math.ceil(all / one), 1, cores);
    }
    return saturating;
  }

  private static double copyBytesPerNano(int workers) {
    try (Arena arena = Arena.ofShared();
        WorkerPool pool = new WorkerPool("crossdock-rates")) {
      MemorySegment from = arena.allocate(BYTES * workers);
      MemorySegment to = arena.allocate(BYTES * workers);
      double best = 0;
      for (int i = 0; i < REPEATS; i++) {
        long start = System.nanoTime();
        pool.run(
            (chunk, worker) -> MemorySegment.copy(from, chunk * BYTES, to, chunk * BYTES, BYTES),
            workers,
            workers);
        best = Math.max(best, (double) BYTES * workers / (System.nanoTime() - start));
      }
      return best;
    }
  }
}
