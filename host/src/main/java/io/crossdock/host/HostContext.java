package io.crossdock.host;

import io.crossdock.core.BufferSpec;
import io.crossdock.core.CrossdockException;
import io.crossdock.core.WaitTimeoutException;
import io.crossdock.core.protocol.Entry;
import io.crossdock.core.protocol.Failures;
import io.crossdock.core.protocol.HandleData;
import io.crossdock.core.protocol.NodePlace;
import io.crossdock.core.protocol.PeerState;
import io.crossdock.core.protocol.ProtocolState;
import io.crossdock.core.protocol.SendPlan;
import io.crossdock.core.protocol.Verdict;
import java.lang.foreign.MemorySegment;

/// What the runners of one session share, and the step they have in common: entering an epoch.
///
/// Confined to the thread that runs the call.
final class HostContext {
  final int rank;
  final int numRanks;
  final BufferSpec spec;
  final WindowLayout layout;
  final MemorySegment[] pages;
  final Board board;
  final ProtocolState protocol;
  final Waiter waiter;
  final WorkerPool pool;
  final RoutePlanner planner;
  final Stats stats = new Stats();

  /// Where this rank stands among nodes.
  final NodePlace place;

  /// The way to other nodes in normal mode; null on one node.
  final Network network;

  /// Null on one node.
  final NodeStaging staging;

  private final int autoWorkers;

  HostContext(BufferSpec spec, Mapping mapping, ProtocolState protocol, Waiter waiter) {
    this.place = mapping.place();
    this.network = mapping.network();
    this.rank = place.rank();
    this.numRanks = mapping.pages().length;
    this.spec = spec;
    this.layout = mapping.board().layout();
    this.pages = mapping.pages();
    this.board = mapping.board();
    this.protocol = protocol;
    this.waiter = waiter;
    this.pool = new WorkerPool("crossdock-" + rank);
    this.planner = new RoutePlanner(numRanks);
    this.staging = network == null ? null : new NodeStaging(place, layout.nodes, network);
    this.autoWorkers = mapping.autoWorkers();
  }

  /// The mapped memory of all ranks.
  ///
  /// Safe for any thread.
  ///
  /// @param place where this rank stands among nodes
  /// @param pages one per rank; for ranks of other nodes the mirror of their cells
  /// @param board cells in them
  /// @param network the way to other nodes in normal mode; null on one node
  /// @param autoWorkers workers when a config leaves the choice to the engine
  record Mapping(
      NodePlace place, MemorySegment[] pages, Board board, Network network, int autoWorkers) {}

  int workers(int numSms) {
    return numSms > 0 ? numSms : autoWorkers;
  }

  /// This rank's entry, to be filled before [#enter].
  Entry mine() {
    return protocol.entry(rank);
  }

  /// Begins an epoch, publishes this rank's entry and waits for those of all peers.
  ///
  /// @throws CrossdockException the verdict, if it is not to proceed: the same kind on every rank
  void enter() {
    publish();
    awaitEntries();
    Verdict verdict = protocol.verdict();
    if (verdict != Verdict.PROCEED) {
      throw failure(verdict);
    }
  }

  /// Begins an epoch and publishes this rank's entry. An epoch before that ended in this rank's
  /// refusal may still have entries to be seen; then they are awaited first.
  void publish() {
    awaitEntries();
    board.publishEntry(protocol.begin(), mine());
    protocol.observe(rank);
  }

  private void awaitEntries() {
    long epoch = protocol.epoch();
    long slot = layout.slot(epoch);
    for (int peer = protocol.nextUnseen(); peer >= 0; peer = protocol.nextUnseen()) {
      waiter.awaitAtLeast(peer, slot, epoch, Phase.ENTER);
      board.readEntry(peer, epoch, protocol.entry(peer));
      protocol.observe(peer);
    }
  }

  /// Waits until the network needs nothing more of what was put.
  void awaitSent() {
    if (network.pending() == 0) {
      return;
    }
    waiter.startTurns();
    try {
      while (network.pending() > 0) {
        waiter.turnForNetwork();
      }
    } finally {
      waiter.endTurns();
    }
  }

  /// Waits until every near peer placed its rows of this epoch, and those that came through it.
  void awaitFinished() {
    long epoch = protocol.epoch();
    for (int peer = protocol.nextUnfinished(); peer >= 0; peer = protocol.nextUnfinished()) {
      waiter.awaitAtLeast(peer, layout.finished, epoch, Phase.FINISH);
      protocol.observeFinished(peer, board.load(peer, layout.finished));
    }
  }

  /// {@return rows that a dispatch writes here into windows of this node: its own, and those of its
  /// rail}
  long writtenRows(HandleData handle) {
    long rows = 0;
    for (int node = 0; node < place.numNodes(); node++) {
      int source = place.onRail(node);
      for (int dst = place.firstNear(); dst < place.endNear(); dst++) {
        rows += handle.prefix(source, dst) - handle.base(source, dst);
      }
    }
    return rows;
  }

  /// {@return rows of a plan that go to ranks of this node}
  long nearRows(SendPlan plan) {
    long rows = 0;
    for (int dst = place.firstNear(); dst < place.endNear(); dst++) {
      rows += plan.count(dst);
    }
    return rows;
  }

  /// Throws if the buffer was aborted by any rank, and passes it on. Safe for any thread: a call is
  /// reserved while the one before may still run.
  void checkUsable() {
    for (int peer = 0; peer < numRanks; peer++) {
      if (board.state(peer) == PeerState.ABORTED) {
        board.passOn(peer);
        throw Failures.unusable(board.origin(peer), board.reason(peer));
      }
    }
  }

  /// Tells the peers that a call failed, unless they know. What a call throws on purpose left every
  /// rank in order, or was published by whoever threw it. Anything else (memory of the caller that
  /// vanished, words that found no room in time) would leave peers waiting.
  void tellPeers(Throwable failure) {
    boolean late = failure instanceof WaitTimeoutException;
    boolean known = failure instanceof CrossdockException && !late;
    if (!known && board.isRunning(rank)) {
      waiter.abort("call failed: rank=" + rank + ", cause=" + failure);
    }
  }

  private CrossdockException failure(Verdict verdict) {
    int culprit = protocol.culprit(verdict);
    Entry entry = protocol.entry(culprit);
    return switch (verdict) {
      case REFUSED -> Failures.refused(culprit, entry.reason);
      case MISMATCH -> Failures.mismatch(protocol.entry(0), culprit, entry);
      default ->
          Failures.overCapacity(
              culprit, protocol.announcedTotal(culprit), entry.capacityRows, entry.outputRows);
    };
  }
}
