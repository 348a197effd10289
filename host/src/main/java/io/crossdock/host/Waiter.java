package io.crossdock.host;

import io.crossdock.core.AbortedException;
import io.crossdock.core.CrossdockException;
import io.crossdock.core.PeerLeftException;
import io.crossdock.core.WaitTimeoutException;
import io.crossdock.core.protocol.PeerProcess;
import io.crossdock.core.protocol.PeerState;
import io.crossdock.core.protocol.ProtocolState;
import java.time.Duration;
import java.util.concurrent.locks.LockSupport;

/// Waits for a peer's cell: spins briefly, then yields, then parks, never longer than the buffer's
/// timeout. Every wait polls the abort state of all ranks, and ends early when the peer left or its
/// process died.
///
/// Confined to the thread that runs the call.
final class Waiter {
  static final int SPINS = 200;
  private static final int YIELDS = 2_000;
  static final int YIELDS_PER_POLL = 16;
  private static final long PARK_NANOS = 50_000;
  static final long LIFE_CHECK_NANOS = 100_000_000;

  private final Board board;
  private final ProtocolState protocol;
  private final int rank;
  private final long[] pids;
  private final long timeoutNanos;
  private final WaitTimes times;

  Waiter(Board board, ProtocolState protocol, long[] pids, Duration timeout, WaitTimes times) {
    this.board = board;
    this.protocol = protocol;
    this.rank = board.rank();
    this.pids = pids;
    this.timeoutNanos = timeout.toNanos();
    this.times = times;
  }

  /// What the waits took.
  WaitTimes times() {
    return times;
  }

  /// Returns once the peer's cell holds at least the expected epoch; pairs with the board's publish
  /// methods. The clock is read only if the first look fails.
  void awaitAtLeast(int peer, long offset, long expected, Phase phase) {
    if (board.load(peer, offset) >= expected) {
      times.add(peer, 0);
      return;
    }
    long start = System.nanoTime();
    try {
      spinOrAwait(peer, offset, expected, phase);
    } finally {
      times.add(peer, System.nanoTime() - start);
    }
  }

  private void spinOrAwait(int peer, long offset, long expected, Phase phase) {
    for (int spin = 1; spin < SPINS; spin++) {
      Thread.onSpinWait();
      if (board.load(peer, offset) >= expected) {
        return;
      }
    }
    awaitSlowly(peer, offset, expected, phase);
  }

  private void awaitSlowly(int peer, long offset, long expected, Phase phase) {
    long start = System.nanoTime();
    long nextLifeCheck = LIFE_CHECK_NANOS;
    for (int turn = 0; board.load(peer, offset) < expected; turn++) {
      if (turn % YIELDS_PER_POLL == 0) {
        long waited = System.nanoTime() - start;
        pollPeers(peer, offset, expected);
        if (waited > timeoutNanos) {
          throw timeout(peer, board.load(peer, offset), expected, phase, waited);
        }
        if (waited > nextLifeCheck) {
          nextLifeCheck = waited + LIFE_CHECK_NANOS;
          checkAlive(peer, offset, expected, phase);
        }
      }
      pause(turn);
    }
  }

  /// Yields, in later turns parks.
  void pause(int turn) {
    if (turn < YIELDS) {
      Thread.yield();
    } else {
      LockSupport.parkNanos(PARK_NANOS);
      if (Thread.currentThread().isInterrupted()) {
        throw abort("interrupted while waiting for a peer: rank=" + rank);
      }
    }
  }

  /// Takes in what the ranks say of themselves; throws if the wait is in vain.
  private void pollPeers(int awaited, long offset, long expected) {
    observeStates();
    checkUsable();
    if (protocol.isGone(awaited) && board.load(awaited, offset) < expected) {
      String what = "peer left during a call: rank=" + rank + ", peer=" + awaited;
      board.publishState(PeerState.ABORTED, what);
      protocol.observeState(rank, PeerState.ABORTED);
      throw new PeerLeftException(what);
    }
  }

  void observeStates() {
    for (int peer = 0; peer < pids.length; peer++) {
      protocol.observeState(peer, board.state(peer));
    }
  }

  long timeoutNanos() {
    return timeoutNanos;
  }

  boolean isAlive(int peer) {
    return PeerProcess.isAlive(pids[peer]);
  }

  /// Gives the buffer up because of a peer that went for good.
  ///
  /// @param what happened
  /// @param wait what it was waited for, as facts
  PeerLeftException lost(int peer, String what, String wait) {
    String facts = what + ": rank=" + rank + ", peer=" + peer + ", pid=" + pids[peer] + ", " + wait;
    abort(facts);
    return new PeerLeftException(facts);
  }

  /// Throws if any rank aborted.
  void checkUsable() {
    int origin = protocol.abortOrigin();
    if (origin >= 0) {
      throw new AbortedException(origin, board.reason(origin));
    }
  }

  private void checkAlive(int peer, long offset, long expected, Phase phase) {
    boolean alive = PeerProcess.isAlive(pids[peer]);
    if (!alive && board.load(peer, offset) < expected) {
      String what =
          "peer process died: rank="
              + rank
              + ", peer="
              + peer
              + ", pid="
              + pids[peer]
              + ", phase="
              + phase
              + ", expected="
              + expected
              + ", seen="
              + board.load(peer, offset);
      board.publishState(PeerState.ABORTED, what);
      protocol.observeState(rank, PeerState.ABORTED);
      throw new PeerLeftException(what);
    }
  }

  /// Gives the buffer up because of a peer that does not come.
  WaitTimeoutException timeout(int peer, long seen, long expected, Phase phase, long waited) {
    WaitTimeoutException failure =
        new WaitTimeoutException(
            new WaitTimeoutException.Facts(rank, peer, phase.name(), expected, seen, waited));
    abort(failure.getMessage());
    return failure;
  }

  /// Publishes that this rank gives up and takes the buffer down.
  CrossdockException abort(String reason) {
    board.publishState(PeerState.ABORTED, reason);
    protocol.observeState(rank, PeerState.ABORTED);
    return new CrossdockException(reason);
  }
}
