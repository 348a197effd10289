package io.crossdock.cuda;

import io.crossdock.core.AbortedException;
import io.crossdock.core.CrossdockException;
import io.crossdock.core.WaitTimeoutException;
import java.time.Duration;

/// One wait of the host for a call of a GPU: its pace, what it looks at now and then, its bound,
/// and what it gives the call up with.
///
/// Confined to the thread that waits.
final class HostTurn {
  private static final long LOOK_NANOS = 10_000_000;

  private final Scene scene;
  private final int rank;
  private final long boundNanos;
  private final Pacer pacer = new Pacer();
  private long nextLook;

  /// What a wait looks at, and whom it tells.
  ///
  /// Safe for any thread.
  interface Scene {
    /// The last call of this rank that reported.
    long reported();

    /// Finds out which peers are gone.
    void lookAtPeers();

    /// True if nothing of the calls is left to do on the GPU.
    ///
    /// @throws io.crossdock.ffi.NativeCallException if the GPU failed
    boolean isGpuDone();

    /// Takes the buffer down.
    ///
    /// @param failure that the wait ends with
    /// @param reason that all ranks are told
    /// @param ticket of the call that is given up
    void giveUp(CrossdockException failure, String reason, long ticket);
  }

  /// @param rank of this buffer
  /// @param bound of the wait
  HostTurn(Scene scene, int rank, Duration bound) {
    this.scene = scene;
    this.rank = rank;
    this.boundNanos = bound.toNanos();
  }

  /// Begins a wait.
  void begin() {
    pacer.begin();
    nextLook = LOOK_NANOS;
  }

  /// Pauses, and looks around now and then.
  ///
  /// @return true if the GPU was seen to be done: what did not come by then never will
  boolean isIdle(long ticket) {
    if (!pacer.pause()) {
      return false;
    }
    if (Thread.currentThread().isInterrupted()) {
      String reason = "interrupted while waiting for a peer: rank=" + rank;
      throw giveUp(new CrossdockException(reason), reason, ticket);
    }
    long waited = pacer.waitedNanos();
    if (waited > boundNanos) {
      WaitTimeoutException late =
          new WaitTimeoutException("GPU did not report in time", facts(ticket));
      throw giveUp(late, late.getMessage(), ticket);
    }
    if (waited > nextLook) {
      nextLook = waited + LOOK_NANOS;
      scene.lookAtPeers();
      return scene.isGpuDone();
    }
    return false;
  }

  /// Gives up a call whose kernel ended without its report. That is no matter of time, so it has
  /// the type of a call that a rank took down, here this one.
  AbortedException noReport(long ticket) {
    String reason = "GPU is done and did not report: " + facts(ticket);
    return giveUp(new AbortedException(rank, reason), reason, ticket);
  }

  private <E extends CrossdockException> E giveUp(E failure, String reason, long ticket) {
    scene.giveUp(failure, reason, ticket);
    return failure;
  }

  /// Whose part is missing is not known: the kernel that knows did not report.
  private WaitTimeoutException.Facts facts(long ticket) {
    return new WaitTimeoutException.Facts(
        rank, "REPORT", ticket, scene.reported(), pacer.waitedNanos());
  }
}
