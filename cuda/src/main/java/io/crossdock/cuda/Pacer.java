package io.crossdock.cuda;

import java.util.concurrent.locks.LockSupport;

/// The pace of one wait of the host for a GPU: spin, then yield, then park.
///
/// Confined to the thread that waits.
final class Pacer {
  private static final int SPINS = 2_000;
  private static final int TURNS_PER_LOOK = 32;

  /// How long a wait yields before it parks: a thread that parks comes back some 100 us late, as
  /// long as a dispatch takes.
  private static final long YIELD_NANOS = 20_000_000;

  private static final long PARK_NANOS = 50_000;

  private long start;
  private int turn;

  /// Begins a wait.
  void begin() {
    turn = 0;
    start = 0;
  }

  /// Passes a little time.
  ///
  /// @return true if it is time to look at the clock
  boolean pause() {
    turn++;
    if (turn < SPINS) {
      Thread.onSpinWait();
      return false;
    }
    if (start == 0) {
      start = System.nanoTime();
    }
    if (waitedNanos() < YIELD_NANOS) {
      Thread.yield();
      return turn % TURNS_PER_LOOK == 0;
    }
    LockSupport.parkNanos(PARK_NANOS);
    return true;
  }

  long waitedNanos() {
    return start == 0 ? 0 : System.nanoTime() - start;
  }
}
