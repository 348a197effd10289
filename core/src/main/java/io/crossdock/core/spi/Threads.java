package io.crossdock.core.spi;

import java.time.Duration;

/// Ends of threads.
///
/// Safe for any thread.
public final class Threads {
  private Threads() {}

  /// Waits for the end of a thread that was told to end, also if the waiting thread is interrupted:
  /// what the other one uses may go only afterwards. An interrupt is kept for later.
  ///
  /// @param thread which; may not have been started
  /// @param bound how long at most
  /// @return false if it still runs
  public static boolean join(Thread thread, Duration bound) {
    boolean interrupted = Thread.interrupted();
    try {
      long start = System.nanoTime();
      long left = bound.toNanos();
      while (thread.isAlive() && left > 0) {
        try {
          thread.join(Duration.ofNanos(left));
        } catch (InterruptedException _) {
          interrupted = true;
        }
        left = bound.toNanos() - (System.nanoTime() - start);
      }
      return !thread.isAlive();
    } finally {
      if (interrupted) {
        Thread.currentThread().interrupt();
      }
    }
  }
}
