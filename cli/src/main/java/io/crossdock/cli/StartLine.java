package io.crossdock.cli;

import io.crossdock.core.group.ProcessGroup;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.concurrent.locks.LockSupport;

/// Lets all ranks of one machine start at the same instant: they agree on a moment shortly after
/// the last of them was ready, on the monotonic clock that all processes share.
///
/// Confined to the thread that uses the group.
final class StartLine {
  private static final long LEAD_NANOS = 1_500_000;
  private static final long YIELD_NANOS = 100_000;

  private final ProcessGroup group;

  StartLine(ProcessGroup group) {
    this.group = group;
  }

  /// Waits for all ranks and the start.
  ///
  /// @return the common start on the clock of [System#nanoTime()]
  long await() {
    long start = agreeOnStart();
    awaitInstant(start);
    return start;
  }

  /// Waits for all ranks, but not for the start.
  ///
  /// @return the common start on the clock of [System#nanoTime()]
  long agreeOnStart() {
    return agree(System.nanoTime() + LEAD_NANOS);
  }

  /// Waits for an instant. Safe for any thread.
  ///
  /// @param start on the clock of [System#nanoTime()]
  static void awaitInstant(long start) {
    for (long left = start - System.nanoTime(); left > 0; left = start - System.nanoTime()) {
      if (left > YIELD_NANOS) {
        LockSupport.parkNanos(left - YIELD_NANOS);
      } else {
        Thread.yield();
      }
    }
  }

  /// {@return the largest value of all ranks, on every rank}
  ///
  /// @param mine this rank's value
  long agree(long mine) {
    byte[][] all = group.allGather(ByteBuffer.allocate(Long.BYTES).putLong(mine).array());
    return Arrays.stream(all)
        .mapToLong(value -> ByteBuffer.wrap(value).getLong())
        .max()
        .orElseThrow();
  }
}
