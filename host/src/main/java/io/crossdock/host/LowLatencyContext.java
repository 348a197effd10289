package io.crossdock.host;

import io.crossdock.core.CrossdockException;
import io.crossdock.core.LeaseException;
import io.crossdock.core.RefusedException;
import io.crossdock.core.Tensor;
import io.crossdock.core.protocol.LowLatencyState;
import io.crossdock.core.protocol.LowLatencyTerms;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/// What the low-latency runners of one session share: the rules, the waits, and the steps that
/// every call has.
///
/// Confined to the thread that runs the call.
final class LowLatencyContext {
  /// Rows of less than so many bytes are not worth another thread.
  private static final long CHUNK_BYTES = 128 << 10;

  final HostContext host;
  final int rank;
  final int numRanks;
  final int hidden;
  final LowLatencyLayout layout;
  final MemorySegment[] pages;
  final Lanes lanes;

  /// Null on one node.
  final Network network;

  final LowLatencyBoard board;
  final LowLatencyState state;
  final LowLatencyWaiter waiter;
  private boolean callFailed;
  private final LowLatencyTerms[] terms = new LowLatencyTerms[LowLatencyState.SLOT_SETS];

  LowLatencyContext(HostContext host) {
    this(host, null);
  }

  /// @param network of this mode; null on one node
  LowLatencyContext(HostContext host, Network network) {
    this.network = network;
    this.host = host;
    this.rank = host.rank;
    this.numRanks = host.numRanks;
    this.hidden = host.spec.hidden();
    this.layout = host.layout.lowLatency;
    this.pages = host.pages;
    this.lanes = new Lanes(host.place, layout, pages, network, this::hasRoom);
    this.state = new LowLatencyState(numRanks);
    this.board = new LowLatencyBoard(host, lanes, peer -> !state.isMasked(peer), network);
    this.waiter = new LowLatencyWaiter(host, board, state, network);
    for (int set = 0; set < terms.length; set++) {
      terms[set] = new LowLatencyTerms();
    }
  }

  /// This rank's terms of a call.
  LowLatencyTerms terms(long epoch) {
    return terms[LowLatencyState.set(epoch)];
  }

  /// Throws if the call that used the next slots still waits for its hook.
  void requireSlots() {
    host.checkUsable();
    if (!state.canBegin()) {
      throw new LeaseException(
          "a hook of an earlier call did not run: rank="
              + rank
              + ", epoch="
              + (state.completed() + 1)
              + ", nextEpoch="
              + (state.epoch() + 1)
              + ", remedy=run it first; at most two calls may be pending");
    }
  }

  /// Begins a call and waits until every living peer freed its slots.
  ///
  /// @return its epoch
  long begin() {
    long epoch = state.begin();
    try {
      waiter.awaitGrants(epoch);
      awaitSent();
      return epoch;
    } catch (RuntimeException e) {
      complete(epoch);
      throw e;
    }
  }

  /// A receiver that completed a call took in its rows, unless the call failed: then the network
  /// may still read the lanes.
  private void awaitSent() {
    if (callFailed) {
      waiter.awaitSent();
      callFailed = false;
    }
  }

  /// Waits until rows of the call that was begun last may go to a far rank.
  ///
  /// @return false if the rank was masked meanwhile
  private boolean hasRoom(int peer) {
    try {
      return waiter.awaitRoom(peer);
    } catch (RuntimeException e) {
      callFailed = true;
      complete(state.epoch());
      throw e;
    }
  }

  /// Waits for the flags of all living sources.
  void awaitFlags(long epoch) {
    waiter.awaitFlags(epoch, terms(epoch));
  }

  /// Ends a call and tells the peers.
  void complete(long epoch) {
    state.complete(epoch);
    board.publishCompleted(state.completed());
  }

  /// Runs the receive half of a call and ends it, well or badly.
  void receive(long epoch, Runnable work) {
    host.checkUsable();
    if (!state.isOpen(epoch)) {
      throw new CrossdockException(
          "call was abandoned: rank=" + rank + ", epoch=" + epoch + ", now=" + state.epoch());
    }
    try {
      work.run();
    } catch (RuntimeException e) {
      callFailed = network != null;
      throw e;
    } finally {
      complete(epoch);
    }
  }

  /// Publishes that this rank's next call is invalid. A call that finds no free slots was not
  /// begun: the peers wait for it to be made again.
  void refuse(String reason) {
    host.checkUsable();
    if (!state.canBegin()) {
      return;
    }
    long epoch;
    try {
      epoch = begin();
    } catch (RefusedException e) {
      // A peer refused the same call, so all know.
      return;
    }
    try {
      board.publishRefusal(epoch, reason);
    } finally {
      complete(epoch);
    }
  }

  /// Sends the flag of a call to all living ranks.
  void publishFlags(long epoch, int[] counts) {
    for (int peer = 0; peer < numRanks; peer++) {
      if (!state.isMasked(peer)) {
        board.publishFlag(peer, epoch, terms(epoch), counts);
      }
    }
  }

  /// Pieces of work to cut so many bytes into.
  static int chunks(long bytes, int items) {
    return Math.clamp(bytes / CHUNK_BYTES, 1, Math.max(1, items));
  }

  /// Writes how long the last wait for flags took for each source.
  void writeWaits(Tensor stats) {
    if (stats != null) {
      MemorySegment memory = Memory.of(stats);
      MemorySegment.copy(waiter.waits(), 0, memory, ValueLayout.JAVA_LONG_UNALIGNED, 0, numRanks);
    }
  }
}
