package io.crossdock.cuda;

import io.crossdock.core.BufferSpec;
import io.crossdock.core.CrossdockException;
import io.crossdock.ffi.NativeCallException;
import java.time.Duration;
import java.util.concurrent.atomic.AtomicReference;

/// Waits of the host for calls that were enqueued, never for ever. While a wait lasts, peers in
/// other processes are looked after: a kernel cannot see that one died.
///
/// Safe for any thread.
final class CallWait {
  private static final long LOOK_NANOS = 10_000_000;

  private final PeerLinks links;
  private final Control control;
  private final Health health;
  private final CallLog log;
  private final GpuStream stream;
  private final Duration bound;
  private final boolean[] gone;
  private final AtomicReference<Turn> spareTurn = new AtomicReference<>();

  CallWait(Control control, PeerLinks links, CallLog log, GpuStream stream, BufferSpec spec) {
    this.links = links;
    this.control = control;
    this.health = log.health();
    this.log = log;
    this.stream = stream;
    this.bound = spec.hostTimeout().plus(spec.gpuTimeout());
    this.gone = new boolean[links.numRanks()];
  }

  Duration bound() {
    return bound;
  }

  /// Returns once a call is over, well or badly.
  void await(long ticket) {
    if (log.isOver(ticket)) {
      return;
    }
    Turn turn = takeTurn();
    while (!log.isOver(ticket)) {
      if (turn.isIdle(ticket) && !log.isOver(ticket)) {
        throw turn.noReport(ticket);
      }
    }
    spareTurn.set(turn);
  }

  /// Waits for some calls and throws what the first that failed threw.
  ///
  /// @param after the call before the first
  void join(long after, long last) {
    RuntimeException failure = outcome(after, last);
    if (failure != null) {
      throw failure;
    }
  }

  /// Waits for some calls and answers what the first that failed threw, or null.
  RuntimeException outcome(long after, long last) {
    if (last > after) {
      await(last);
    }
    return log.failure(after, last);
  }

  /// Waits until the counts of a call came, or throws what it failed with.
  void awaitCounts(Counts counts, long ticket) {
    Turn turn = takeTurn();
    while (!counts.hold(ticket)) {
      if (log.isOver(ticket)) {
        RuntimeException failure = log.failure(ticket - 1, ticket);
        if (failure != null) {
          throw failure;
        }
        break;
      }
      if (turn.isIdle(ticket) && !counts.hold(ticket) && !log.isOver(ticket)) {
        throw turn.noReport(ticket);
      }
    }
    spareTurn.set(turn);
  }

  /// A wait allocates nothing unless another thread waits too, or the last one failed.
  private Turn takeTurn() {
    Turn spare = spareTurn.getAndSet(null);
    Turn turn = spare == null ? new Turn() : spare;
    turn.begin();
    return turn;
  }

  /// One wait.
  ///
  /// Confined to the thread that waits.
  private final class Turn {
    private final Pacer pacer = new Pacer();
    private long nextLook;

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
        throw giveUp("interrupted while waiting for a peer: rank=" + links.rank(), ticket);
      }
      long waited = pacer.waitedNanos();
      if (waited > bound.toNanos()) {
        throw giveUp(text("GPU did not report in time", ticket, waited), ticket);
      }
      if (waited > nextLook) {
        nextLook = waited + LOOK_NANOS;
        lookAtPeers();
        return isStreamDone();
      }
      return false;
    }

    CrossdockException noReport(long ticket) {
      String what = "GPU is done and did not report";
      return giveUp(text(what, ticket, pacer.waitedNanos()), ticket);
    }
  }

  private String text(String what, long ticket, long waitedNanos) {
    return what
        + ": rank="
        + links.rank()
        + ", call="
        + ticket
        + ", waitedMs="
        + waitedNanos / 1_000_000;
  }

  /// Aborts, and lets the kernel leave before the caller's memory may go.
  private CrossdockException giveUp(String reason, long ticket) {
    CrossdockException failure = new CrossdockException(reason);
    health.abortAfter(failure);
    long deadline = System.nanoTime() + LOOK_NANOS * 10;
    while (!log.isOver(ticket) && System.nanoTime() < deadline) {
      Thread.onSpinWait();
    }
    return failure;
  }

  private void lookAtPeers() {
    for (int peer = 0; peer < gone.length; peer++) {
      if (!gone[peer] && !links.isAlive(peer)) {
        gone[peer] = true;
        control.markGone(peer);
      }
    }
  }

  /// A kernel that failed, or never ran, will not report.
  private boolean isStreamDone() {
    try {
      return !stream.isCapturing() && stream.driver().isDone();
    } catch (NativeCallException e) {
      try {
        health.abort("GPU failed: rank=" + links.rank() + ", cause=" + e.getMessage());
      } catch (RuntimeException second) {
        e.addSuppressed(second);
      }
      throw e;
    }
  }
}
