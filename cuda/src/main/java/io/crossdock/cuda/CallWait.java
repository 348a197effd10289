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
  /// How long a kernel has to leave after its call was given up.
  private static final long LEAVE_NANOS = 100_000_000;

  private final PeerLinks links;
  private final Control control;
  private final Health health;
  private final CallLog log;
  private final GpuStream stream;
  private final Duration bound;
  private final boolean[] gone;
  private final HostTurn.Scene scene = new Surroundings();
  private final AtomicReference<HostTurn> spareTurn = new AtomicReference<>();

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
    HostTurn turn = takeTurn();
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
    HostTurn turn = takeTurn();
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
  private HostTurn takeTurn() {
    HostTurn spare = spareTurn.getAndSet(null);
    HostTurn turn = spare == null ? new HostTurn(scene, links.rank(), bound) : spare;
    turn.begin();
    return turn;
  }

  /// What a wait of this buffer sees.
  ///
  /// Safe for any thread.
  private final class Surroundings implements HostTurn.Scene {
    @Override
    public long reported() {
      return log.reported();
    }

    @Override
    public void lookAtPeers() {
      CallWait.this.lookAtPeers();
    }

    @Override
    public boolean isGpuDone() {
      return isStreamDone();
    }

    /// Lets the kernel leave before the caller's memory may go.
    @Override
    public void giveUp(CrossdockException failure, String reason, long ticket) {
      health.abortAfter(failure, reason);
      long deadline = System.nanoTime() + LEAVE_NANOS;
      while (!log.isOver(ticket) && System.nanoTime() < deadline) {
        Thread.onSpinWait();
      }
    }
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
