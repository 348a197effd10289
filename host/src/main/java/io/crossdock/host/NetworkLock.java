package io.crossdock.host;

import io.crossdock.core.CrossdockException;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.locks.LockSupport;

/// Lets one thread at a time use a transport. A holder keeps it for one put or a few words. It
/// waits for nobody meanwhile where the transport has room for them, as it has for what low-latency
/// lanes put. A put of normal mode may need more room than there is, and words may find that rows
/// took it all: then the holder waits for the receiver, up to the time-out of the transport. Taking
/// it allocates nothing, also when it is held.
///
/// Safe for any thread.
final class NetworkLock {
  private static final int SPINS = 100;
  private static final int YIELDS = 1_000;
  private static final long PARK_NANOS = 20_000;

  private final AtomicBoolean held = new AtomicBoolean();
  private final long timeoutNanos;

  /// @param timeoutNanos that a holder may keep it; who waits for longer takes the holder for lost
  NetworkLock(long timeoutNanos) {
    this.timeoutNanos = timeoutNanos;
  }

  boolean tryLock() {
    return !held.get() && held.compareAndSet(false, true);
  }

  /// @throws CrossdockException if a thread keeps it for too long
  void lock() {
    long start = 0;
    for (int turn = 0; !tryLock(); turn++) {
      if (turn < SPINS) {
        Thread.onSpinWait();
      } else if (turn < SPINS + YIELDS) {
        Thread.yield();
      } else {
        long now = System.nanoTime();
        start = start == 0 ? now : start;
        checkHolder(now - start);
        pause();
      }
    }
  }

  private void checkHolder(long waited) {
    if (waited > timeoutNanos) {
      throw new CrossdockException(
          "network is held by a thread that does not return: waitedMs=" + waited / 1_000_000);
    }
  }

  /// Lets some time pass, for who tries again.
  void pause() {
    LockSupport.parkNanos(this, PARK_NANOS);
  }

  void unlock() {
    held.set(false);
  }
}
