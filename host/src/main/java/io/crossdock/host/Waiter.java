package io.crossdock.host;

import io.crossdock.core.AbortedException;
import io.crossdock.core.CrossdockException;
import io.crossdock.core.PeerLeftException;
import io.crossdock.core.WaitTimeoutException;
import io.crossdock.core.protocol.NodePlace;
import io.crossdock.core.protocol.PeerProcess;
import io.crossdock.core.protocol.PeerState;
import io.crossdock.core.protocol.ProtocolState;
import java.time.Duration;
import java.util.concurrent.locks.LockSupport;

/// Waits for a peer's cell: spins briefly, then yields, then parks, never longer than the buffer's
/// timeout. Every wait polls the abort state of all ranks, makes progress on the network, and ends
/// early when the peer left, its process died, or it cannot be reached any more.
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
  private NodePlace place;

  /// Null on one node.
  private Network network;

  private int turns;
  private long startNanos;
  private long nextLifeCheck;

  Waiter(Board board, ProtocolState protocol, long[] pids, Duration timeout, WaitTimes times) {
    this.board = board;
    this.protocol = protocol;
    this.rank = board.rank();
    this.pids = pids;
    this.timeoutNanos = timeout.toNanos();
    this.times = times;
    this.place = NodePlace.onOneNode(rank, pids.length);
  }

  /// Waits for ranks of other nodes too, from now on.
  void reach(Network far, NodePlace own) {
    network = far;
    place = own;
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
    startTurns();
    try {
      while (board.load(peer, offset) < expected) {
        turn(peer, peer, offset, expected, phase);
      }
    } finally {
      endTurns();
      times.add(peer, System.nanoTime() - start);
    }
  }

  /// Begins a wait whose turns the caller takes, for example because it looks at several things. It
  /// ends with [#endTurns].
  void startTurns() {
    if (network != null) {
      network.callWaits(true);
    }
    restartTurns();
  }

  /// Something came: the time-out begins anew.
  void restartTurns() {
    turns = 0;
  }

  void endTurns() {
    if (network != null) {
      network.callWaits(false);
    }
  }

  /// One turn in which nothing came.
  ///
  /// @param peer that is waited for
  /// @param owner the rank in whose memory the cell lies that the peer will write
  /// @param expected at least, in the cell
  void turn(int peer, int owner, long offset, long expected, Phase phase) {
    if (isLookDue()) {
      pollStates();
      long seen = board.load(owner, offset);
      if (seen < expected && isMark(phase)) {
        long rows = NodeLayout.rowsWaitedFor(seen, expected);
        giveUp(peer, rows, NodeLayout.rowsWaitedFor(expected, expected), phase);
      } else if (seen < expected) {
        giveUp(peer, seen, expected, phase);
      }
    }
  }

  private static boolean isMark(Phase phase) {
    return phase == Phase.ARRIVE || phase == Phase.PARTIAL;
  }

  /// One turn in which the network did not take all that was put. What goes to a peer that failed
  /// it takes, so only time can run out.
  void turnForNetwork() {
    if (isLookDue()) {
      pollStates();
      long waited = System.nanoTime() - startNanos;
      if (waited > timeoutNanos) {
        throw timeout(network.unsent(_ -> true, waited));
      }
    }
  }

  /// Returns once a far rank told that all its words before were told. Whether ranks gave up does
  /// not matter: they are about to start anew.
  ///
  /// @param bound how long that may take: TCP tries a link that was down again after seconds only
  void awaitDrained(int peer, long offset, long mark, Duration bound) {
    restartTurns();
    while (board.load(peer, offset) < mark) {
      if (isLookDue()) {
        long seen = board.load(peer, offset);
        long waited = System.nanoTime() - startNanos;
        if (waited > bound.toNanos()) {
          throw timeout(peer, seen, mark, Phase.DRAIN, waited);
        }
        if (seen < mark && !isAlive(peer)) {
          throw lost(peer, deathOf(peer), "phase=" + Phase.DRAIN);
        }
      }
    }
  }

  /// @return true if it is time for more than a look at what is waited for
  private boolean isLookDue() {
    int turn = turns++ - SPINS;
    if (turn < 0) {
      relax();
      return false;
    }
    if (turn == 0) {
      startNanos = System.nanoTime();
      nextLifeCheck = LIFE_CHECK_NANOS;
    }
    pause(turn);
    return turn % YIELDS_PER_POLL == 0;
  }

  private void relax() {
    if (network == null) {
      Thread.onSpinWait();
    } else {
      network.poll();
    }
  }

  private void giveUp(int peer, long seen, long expected, Phase phase) {
    long waited = System.nanoTime() - startNanos;
    if (protocol.isGone(peer)) {
      throw left("peer left during a call: rank=" + rank + ", peer=" + peer);
    }
    if (waited > timeoutNanos) {
      throw timeout(peer, seen, expected, phase, waited);
    }
    boolean far = !place.isNear(peer);
    if (!far && waited <= nextLifeCheck) {
      return;
    }
    nextLifeCheck = waited + LIFE_CHECK_NANOS;
    if (!isAlive(peer)) {
      String wait = "phase=" + phase + ", expected=" + expected + ", seen=" + seen;
      throw lost(peer, deathOf(peer), wait);
    }
  }

  /// Yields, in later turns parks; makes progress on the network.
  void pause(int turn) {
    if (network != null) {
      network.poll();
    }
    if (turn < YIELDS) {
      Thread.yield();
    } else {
      LockSupport.parkNanos(PARK_NANOS);
      if (Thread.currentThread().isInterrupted()) {
        throw abort("interrupted while waiting for a peer: rank=" + rank);
      }
    }
  }

  /// Takes in what the ranks say of themselves; throws if one aborted.
  private void pollStates() {
    observeStates();
    checkUsable();
  }

  void observeStates() {
    for (int peer = 0; peer < pids.length; peer++) {
      protocol.observeState(peer, board.state(peer));
    }
  }

  long timeoutNanos() {
    return timeoutNanos;
  }

  /// {@return false if a peer's process ended, or the network lost it}
  boolean isAlive(int peer) {
    return place.isNear(peer) ? PeerProcess.isAlive(pids[peer]) : network.failure(peer) == null;
  }

  /// {@return what became of a peer that is not alive}
  String deathOf(int peer) {
    return place.isNear(peer) ? "peer process died" : "peer cannot be reached any more";
  }

  /// Gives the buffer up because of a peer that went for good.
  ///
  /// @param what happened
  /// @param wait what it was waited for, as facts
  PeerLeftException lost(int peer, String what, String wait) {
    String where = place.isNear(peer) ? ", pid=" + pids[peer] : causeOf(peer);
    return left(what + ": rank=" + rank + ", peer=" + peer + where + ", " + wait);
  }

  private String causeOf(int peer) {
    String cause = network.failure(peer);
    return cause == null ? "" : ", cause=" + cause;
  }

  private PeerLeftException left(String facts) {
    abort(facts);
    return new PeerLeftException(facts);
  }

  /// Throws if any rank aborted, and passes it on.
  void checkUsable() {
    int peer = protocol.abortedRank();
    if (peer >= 0) {
      board.passOn(peer);
      throw new AbortedException(board.origin(peer), board.reason(peer));
    }
  }

  /// Gives the buffer up because of a peer that does not come.
  WaitTimeoutException timeout(int peer, long seen, long expected, Phase phase, long waited) {
    return timeout(
        new WaitTimeoutException.Facts(rank, peer, phase.name(), expected, seen, waited));
  }

  /// The same.
  WaitTimeoutException timeout(WaitTimeoutException.Facts facts) {
    WaitTimeoutException failure = new WaitTimeoutException(facts);
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
