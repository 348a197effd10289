package io.crossdock.cuda.driver;

import java.time.Duration;
import java.util.concurrent.locks.LockSupport;

/// Waits of the host for a GPU: spin, then yield, then park, never for ever.
///
/// Safe for any thread.
final class GpuWait {
  private static final int SPINS = 1_000;
  private static final int YIELDS = 2_000;
  private static final long PARK_NANOS = 50_000;

  private GpuWait() {}

  /// Something that is done some time.
  @FunctionalInterface
  interface Progress {
    boolean isDone();
  }

  /// Whether an interrupt ends a wait.
  enum Interrupt {
    HEEDED,
    /// The thread stays interrupted, and goes on waiting.
    LEFT
  }

  /// Returns once the work is done.
  ///
  /// @throws GpuTimeoutException if it is not in time, or the thread is interrupted and that is
  ///   heeded
  static void await(
      String kind, long handle, Progress progress, Duration timeout, Interrupt interrupt) {
    for (int spin = 0; spin < SPINS; spin++) {
      if (progress.isDone()) {
        return;
      }
      Thread.onSpinWait();
    }
    long start = System.nanoTime();
    long timeoutNanos = timeout.toNanos();
    for (int turn = 0; !progress.isDone(); turn++) {
      long waited = System.nanoTime() - start;
      if (waited > timeoutNanos) {
        throw failure("GPU did not finish in time", kind, handle, waited);
      }
      pause(turn);
      if (interrupt == Interrupt.HEEDED && Thread.currentThread().isInterrupted()) {
        throw failure("interrupted while waiting for a GPU", kind, handle, waited);
      }
    }
  }

  private static void pause(int turn) {
    if (turn < YIELDS) {
      Thread.yield();
    } else {
      LockSupport.parkNanos(PARK_NANOS);
    }
  }

  private static GpuTimeoutException failure(
      String what, String kind, long handle, long waitedNanos) {
    return new GpuTimeoutException(
        what
            + ": waitingFor="
            + kind
            + ", handle=0x"
            + Long.toHexString(handle)
            + ", waitedMs="
            + waitedNanos / 1_000_000);
  }
}
