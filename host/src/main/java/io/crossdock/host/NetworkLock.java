package io.crossdock.host;

import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.locks.LockSupport;

/// Lets one thread at a time use a transport. Holders keep it for a few operations at most and wait
/// for nobody meanwhile, unless one put alone is more than a transport has room for. Taking it
/// allocates nothing, also when it is held.
///
/// Safe for any thread.
final class NetworkLock {
  private static final int SPINS = 100;
  private static final int YIELDS = 1_000;
  private static final long PARK_NANOS = 20_000;

  private final AtomicBoolean held = new AtomicBoolean();

  boolean tryLock() {
    return !held.get() && held.compareAndSet(false, true);
  }

  void lock() {
    for (int turn = 0; !tryLock(); turn++) {
      if (turn < SPINS) {
        Thread.onSpinWait();
      } else if (turn < SPINS + YIELDS) {
        Thread.yield();
      } else {
        LockSupport.parkNanos(this, PARK_NANOS);
      }
    }
  }

  void unlock() {
    held.set(false);
  }
}
