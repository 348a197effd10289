package io.crossdock.verify.harness;

import java.time.Duration;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;

/// Waits for what nothing reports: the state of a process, a file of another one.
///
/// Safe for any thread.
public final class Bounded {
  private static final long PAUSE_NANOS = 500_000;

  private Bounded() {}

  /// Looks again and again until something holds.
  ///
  /// @param what for the failure
  /// @param timeout at most
  /// @param holds asked often
  public static void await(String what, Duration timeout, BooleanSupplier holds) {
    long start = System.nanoTime();
    while (!holds.getAsBoolean()) {
      if (System.nanoTime() - start > timeout.toNanos()) {
        throw new AssertionError("did not come to pass: what=" + what + ", timeout=" + timeout);
      }
      LockSupport.parkNanos(PAUSE_NANOS);
    }
  }
}
