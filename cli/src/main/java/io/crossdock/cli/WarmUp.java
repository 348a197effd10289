package io.crossdock.cli;

import java.lang.management.CompilationMXBean;
import java.lang.management.ManagementFactory;

/// Rounds before anything is timed, until the JVM's compilers of all ranks have little left to do.
/// Vector code takes them seconds, more where ranks share cores, and what runs meanwhile is slower
/// by far.
///
/// Confined to the thread that uses the group.
final class WarmUp {
  private static final int MIN_ROUNDS = 10;
  private static final long MAX_NANOS = 40_000_000_000L;

  /// A short run is not warmed up for long.
  private static final long NANOS_OF_ITERATION = 400_000_000L;

  /// How long compilers must have done little; one large method takes them almost as long.
  private static final long QUIET_NANOS = 3_000_000_000L;

  /// More of a window than one part in this is not little.
  private static final long QUIET_PART = 20;

  private static final CompilationMXBean COMPILER = ManagementFactory.getCompilationMXBean();

  private final StartLine line;
  private final long limitNanos;
  private long windowStart;
  private long compiledBefore;

  /// @param line that all ranks meet at
  /// @param iterations of the run that follows
  WarmUp(StartLine line, int iterations) {
    this.line = line;
    this.limitNanos = Math.min(MAX_NANOS, NANOS_OF_ITERATION * iterations);
  }

  /// Runs rounds until no rank needs more. Every rank calls it with a round of the same calls.
  void run(Runnable round) {
    long start = System.nanoTime();
    open(start);
    boolean more = true;
    for (int count = 1; more; count++) {
      round.run();
      long now = System.nanoTime();
      boolean wants = count < MIN_ROUNDS || (now - start < limitNanos && isBusy(now));
      more = line.agree(wants ? 1 : 0) != 0;
    }
  }

  private void open(long now) {
    windowStart = now;
    compiledBefore = COMPILER.getTotalCompilationTime();
  }

  /// True until a whole window was quiet.
  private boolean isBusy(long now) {
    long compiledNanos = (COMPILER.getTotalCompilationTime() - compiledBefore) * 1_000_000;
    if (compiledNanos > QUIET_NANOS / QUIET_PART) {
      open(now);
      return true;
    }
    return now - windowStart < QUIET_NANOS;
  }
}
