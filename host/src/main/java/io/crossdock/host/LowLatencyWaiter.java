package io.crossdock.host;

import io.crossdock.core.CollectiveMismatchException;
import io.crossdock.core.MaskedException;
import io.crossdock.core.protocol.Failures;
import io.crossdock.core.protocol.LowLatencyState;
import io.crossdock.core.protocol.LowLatencyTerms;
import io.crossdock.core.protocol.Patience;
import io.crossdock.core.protocol.Rejoin;
import java.util.Arrays;
import java.util.function.IntPredicate;

/// Waits of low-latency mode: for slots to be free, for flags, for ranks that come back. All peers
/// that are waited for are looked at in turn, so each one's wait is its own. A peer that does not
/// come within [Patience] is masked, if the buffer may shrink, and else ends the buffer.
///
/// Confined to the thread that runs the call.
final class LowLatencyWaiter {
  /// A beat for far ranks is a message each.
  private static final long FAR_BEAT_NANOS = 5_000_000;

  private final HostContext context;
  private final LowLatencyBoard board;
  private final LowLatencyState state;
  private final Patience patience;
  private final LowLatencyTerms theirs = new LowLatencyTerms();
  private final long[] waits;

  /// Null on one node.
  private final Network network;

  private final IntPredicate living;
  private final Wanted grants = new Grants();
  private final Flags flags = new Flags();
  private final Room room = new Room();
  private final Wanted sending = new Sending();
  private long epoch;

  /// How long the wait at hand lasted when the peers were looked at last.
  private long waitedNanos;

  /// @param network of this mode; null on one node
  LowLatencyWaiter(
      HostContext context, LowLatencyBoard board, LowLatencyState state, Network network) {
    this.network = network;
    this.context = context;
    this.board = board;
    this.state = state;
    this.living = peer -> !state.isMasked(peer);
    this.patience = new Patience(context.numRanks, context.waiter.timeoutNanos());
    this.waits = new long[context.numRanks];
  }

  /// Nanoseconds that the last call of [#awaitFlags] waited for each source.
  long[] waits() {
    return waits;
  }

  /// Returns once every living peer freed the slots of a call that was begun.
  ///
  /// @throws io.crossdock.core.RefusedException if a peer refused the call
  void awaitGrants(long call) {
    epoch = call;
    await(grants);
  }

  /// Returns once the flag of every living source was seen, with the same terms.
  ///
  /// @throws io.crossdock.core.RefusedException if a peer refused the call
  /// @throws CollectiveMismatchException if a peer made another call
  void awaitFlags(long call, LowLatencyTerms mine) {
    epoch = call;
    flags.mine = mine;
    Arrays.fill(waits, 0);
    try {
      await(flags);
    } catch (RuntimeException e) {
      for (int source = 0; source < waits.length; source++) {
        waits[source] = flags.awaits(source) ? waitedNanos : waits[source];
      }
      throw e;
    } finally {
      tellTimes();
    }
  }

  private void tellTimes() {
    WaitTimes times = context.waiter.times();
    times.startCall();
    for (int source = 0; source < waits.length; source++) {
      if (source != context.rank) {
        times.add(source, waits[source]);
      }
    }
  }

  /// Returns once every rank that takes part in a handshake knocked, but for those left out
  /// meanwhile.
  void awaitKnocks(Rejoin rejoin) {
    await(new RejoinWaits(context, board, rejoin).knocks());
  }

  /// Returns once every rank that takes part acknowledged this rank's knock, but for those left
  /// out.
  ///
  /// @param acknowledge acknowledges all knocks that were seen, again if there is a new one: what
  ///   was seen first may have been the knock of an earlier handshake
  void awaitAcks(Rejoin rejoin, Runnable acknowledge) {
    await(new RejoinWaits(context, board, rejoin).acks(acknowledge));
  }

  /// Returns once the network needs nothing more of what was put for peers that are not masked.
  void awaitSent() {
    await(sending);
  }

  /// Returns once rows for a far rank may be put, which others do not wait for meanwhile.
  ///
  /// @return false if the rank is masked
  boolean awaitRoom(int peer) {
    if (network.isFull(peer)) {
      room.peer = peer;
      await(room);
    }
    return !state.isMasked(peer);
  }

  private void await(Wanted wanted) {
    waitedNanos = 0;
    wanted.look(0);
    if (wanted.next() < 0) {
      return;
    }
    startPolling();
    try {
      for (int spin = 0; wanted.next() >= 0 && spin < Waiter.SPINS; spin++) {
        relax();
        wanted.look(0);
      }
      if (wanted.next() >= 0) {
        awaitSlowly(wanted);
      }
    } finally {
      endPolling();
    }
  }

  private void startPolling() {
    if (network != null) {
      network.callWaits(true);
    }
  }

  private void endPolling() {
    if (network != null) {
      network.callWaits(false);
    }
  }

  private void relax() {
    if (network == null) {
      Thread.onSpinWait();
    } else {
      network.poll();
    }
  }

  private void awaitSlowly(Wanted wanted) {
    long start = System.nanoTime();
    long nextLifeCheck = Waiter.LIFE_CHECK_NANOS;
    long nextFarBeat = 0;
    patience.begin();
    for (int turn = 0; wanted.next() >= 0; turn++) {
      if (turn % Waiter.YIELDS_PER_POLL == 0) {
        long waited = System.nanoTime() - start;
        waitedNanos = waited;
        board.publishBeat();
        if (waited >= nextFarBeat) {
          nextFarBeat = waited + FAR_BEAT_NANOS;
          board.publishFarBeat();
        }
        pollPeers(wanted);
        if (waited > context.waiter.timeoutNanos()) {
          giveUpSilent(wanted, waited);
        }
        if (waited > nextLifeCheck) {
          nextLifeCheck = waited + Waiter.LIFE_CHECK_NANOS;
          giveUpDead(wanted);
        }
      }
      if (network != null) {
        network.poll();
      }
      context.waiter.pause(turn);
      wanted.look(System.nanoTime() - start);
    }
  }

  private void pollPeers(Wanted wanted) {
    context.waiter.observeStates();
    context.waiter.checkUsable();
    boolean calls = wanted.phase() != Phase.REJOIN;
    for (int peer = 0; peer < context.numRanks; peer++) {
      patience.observe(peer, board.beat(peer), waitedNanos);
      if (calls && !state.isMasked(peer) && board.masks(peer, context.rank)) {
        board.publishMask(context.rank, true);
        throw new MaskedException(context.rank, peer);
      }
      if (calls && context.spec.enableShrink() && board.masks(peer, peer)) {
        lose(wanted, peer, "peer was masked");
      }
      if (context.protocol.isGone(peer) && isSilent(peer)) {
        lose(wanted, peer, "peer left during a call");
      }
    }
  }

  private void giveUpDead(Wanted wanted) {
    for (int peer = 0; peer < context.numRanks; peer++) {
      if (wanted.awaits(peer) && (!context.waiter.isAlive(peer) || isCutOff(peer))) {
        lose(wanted, peer, context.waiter.deathOf(peer));
      }
    }
  }

  /// {@return true if all that a rank which left said in this mode is here: that it left came on
  /// another way, which may be faster}
  private boolean isSilent(int peer) {
    return context.place.isNear(peer) || board.hasLeft(peer) || isCutOff(peer);
  }

  private boolean isCutOff(int peer) {
    return !context.place.isNear(peer) && network.failure(peer) != null;
  }

  /// What the peer published before it went still counts.
  private void lose(Wanted wanted, int peer, String what) {
    wanted.look(0);
    if (!wanted.awaits(peer)) {
      return;
    }
    if (!mayShrink(wanted)) {
      String wait =
          "phase="
              + wanted.phase()
              + ", expected="
              + wanted.expected()
              + ", seen="
              + wanted.seen(peer)
              + (isCutOff(peer) ? ", lowLatency=" + network.failure(peer) : "");
      throw context.waiter.lost(peer, what, wait);
    }
    wanted.giveUp(peer);
  }

  private boolean mayShrink(Wanted wanted) {
    return context.spec.enableShrink() || wanted.phase() == Phase.REJOIN;
  }

  /// Time is up for those that gave no sign for so long.
  private void giveUpSilent(Wanted wanted, long waited) {
    for (int peer = 0; peer < context.numRanks; peer++) {
      if (!wanted.awaits(peer) || !patience.isOver(peer, waited)) {
        continue;
      }
      if (!mayShrink(wanted)) {
        throw context.waiter.timeout(
            peer, wanted.seen(peer), wanted.expected(), wanted.phase(), waited);
      }
      wanted.giveUp(peer);
    }
  }

  private void checkRefusal(int peer) {
    if (board.isRefused(peer, epoch)) {
      throw Failures.refused(peer, board.refusalReason(peer, epoch));
    }
  }

  void mask(int peer) {
    state.mask(peer);
    board.publishMask(peer, true);
  }

  /// What far ranks are to take in; the network is asked anew at each look.
  private abstract class Outgoing implements Wanted {
    @Override
    public void look(long waitedNanos) {}

    @Override
    public Phase phase() {
      return Phase.SENT;
    }

    @Override
    public long expected() {
      return 0;
    }

    @Override
    public long seen(int peer) {
      return network.pending(peer);
    }

    @Override
    public void giveUp(int peer) {
      mask(peer);
    }
  }

  /// All of it, before memory is written again.
  private final class Sending extends Outgoing {
    @Override
    public int next() {
      return network.nextSending(living);
    }

    @Override
    public boolean awaits(int peer) {
      return !context.place.isNear(peer) && !state.isMasked(peer) && network.pending(peer) > 0;
    }
  }

  /// Enough for one far rank to have room.
  private final class Room extends Outgoing {
    private int peer;

    @Override
    public int next() {
      return awaits(peer) ? peer : -1;
    }

    @Override
    public boolean awaits(int other) {
      return other == peer && !state.isMasked(peer) && network.isFull(peer);
    }
  }

  /// Slots that are free again.
  private final class Grants implements Wanted {
    @Override
    public void look(long waitedNanos) {
      for (int peer = state.nextUngranted(); peer >= 0; peer = state.nextUngranted()) {
        state.observeCompleted(peer, board.completed(peer));
        if (state.nextUngranted() == peer) {
          checkRefusal(peer);
          return;
        }
      }
    }

    @Override
    public int next() {
      return state.nextUngranted();
    }

    @Override
    public Phase phase() {
      return Phase.GRANT;
    }

    @Override
    public long expected() {
      return state.neededMark();
    }

    @Override
    public long seen(int peer) {
      return board.completed(peer);
    }

    @Override
    public boolean awaits(int peer) {
      return !state.isMasked(peer) && board.completed(peer) < state.neededMark();
    }

    @Override
    public void giveUp(int peer) {
      mask(peer);
    }
  }

  /// Flags of all sources.
  private final class Flags implements Wanted {
    private LowLatencyTerms mine;

    @Override
    public void look(long waitedNanos) {
      for (int source = 0; source < context.numRanks; source++) {
        if (!state.isMasked(source) && !state.counts(epoch, source)) {
          look(source, waitedNanos);
        }
      }
    }

    private void look(int source, long waitedNanos) {
      if (!board.hasFlag(source, epoch)) {
        checkRefusal(source);
        return;
      }
      board.readTerms(source, epoch, theirs);
      if (!mine.agrees(theirs)) {
        throw new CollectiveMismatchException(
            "ranks made different calls: rank="
                + context.rank
                + ", peer="
                + source
                + ", call="
                + mine
                + ", peerCall="
                + theirs);
      }
      state.observe(epoch, source);
      state.observeCompleted(source, board.sentMark(source, epoch));
      waits[source] = waitedNanos;
    }

    @Override
    public int next() {
      return state.nextUnseen(epoch);
    }

    @Override
    public Phase phase() {
      return Phase.RECEIVE;
    }

    @Override
    public long expected() {
      return epoch;
    }

    @Override
    public long seen(int peer) {
      return board.flag(peer, epoch);
    }

    @Override
    public boolean awaits(int peer) {
      return !state.isMasked(peer) && !state.counts(epoch, peer);
    }

    @Override
    public void giveUp(int peer) {
      waits[peer] = waitedNanos;
      mask(peer);
    }
  }
}
