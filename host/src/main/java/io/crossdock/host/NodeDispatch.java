package io.crossdock.host;

import io.crossdock.core.protocol.NodePlace;
import io.crossdock.core.spi.DispatchCall;
import java.util.function.BooleanSupplier;

/// A round of a dispatch over several nodes: streams go out chunk by chunk, those of other nodes
/// are forwarded as they arrive, and rows of this node are placed in between.
///
/// Confined to the thread that runs the call.
final class NodeDispatch {
  /// Operations under way above which rows are moved here before more are put.
  private static final int MAX_PENDING = 8;

  /// Nothing more will come from any node.
  private static final int ENDED = -1;

  /// Rows were forwarded.
  private static final int MOVED = -2;

  private final HostContext context;
  private final NodePlace place;
  private final NodeLayout layout;
  private final PlaceTask own;
  private final NodeSender sender;
  private final RelayTask relay;
  private final PartTask part = new PartTask();
  private final BooleanSupplier carry = this::carry;

  /// Rows forwarded, by node.
  private final int[] done;

  private final boolean[] ended;
  private long epoch;
  private int workers;
  private int nextChunk;

  NodeDispatch(HostContext context, PlaceTask own) {
    this.context = context;
    this.place = context.place;
    this.layout = context.layout.nodes;
    this.own = own;
    this.sender = new NodeSender(context);
    this.relay = new RelayTask(context, own.writer());
    this.done = new int[place.numNodes()];
    this.ended = new boolean[place.numNodes()];
  }

  /// Takes over a call whose epoch was entered.
  void prepare(DispatchCall call, int numWorkers) {
    workers = numWorkers;
    sender.prepare(call);
    relay.prepare(call);
  }

  /// Runs a round; afterwards all rows that this rank has to place are placed. The network needs
  /// nothing more of the call then, also if it failed.
  void run(int round) {
    try {
      move(round);
      context.awaitSent();
    } catch (RuntimeException | Error e) {
      context.network.release();
      throw e;
    }
  }

  private void move(int round) {
    epoch = context.protocol.epoch();
    nextChunk = 0;
    sender.round(round);
    for (int node = 0; node < done.length; node++) {
      done[node] = 0;
      ended[node] = node == place.node();
    }
    context.waiter.startTurns();
    try {
      while (!step()) {
        context.network.poll();
      }
    } finally {
      context.waiter.endTurns();
    }
  }

  /// @return true if all is done
  private boolean step() {
    boolean moved = post();
    int awaited = forward();
    if (nextChunk < own.numChunks()) {
      placeSome();
      moved = true;
    }
    if (awaited == ENDED && sender.isDone() && nextChunk == own.numChunks()) {
      return true;
    }
    if (moved || awaited == MOVED) {
      context.waiter.restartTurns();
    } else if (awaited == ENDED) {
      context.waiter.turnForNetwork();
    } else {
      awaitMore(awaited);
    }
    return false;
  }

  private boolean post() {
    boolean may = !sender.isDone() && context.network.pending() < MAX_PENDING;
    if (may) {
      sender.post();
    }
    return may;
  }

  /// Keeps the network busy while workers move rows.
  private boolean carry() {
    boolean moved = post();
    return context.network.poll() || moved;
  }

  /// Forwards what arrived.
  ///
  /// @return [#MOVED], [#ENDED], or a node of which more will come
  private int forward() {
    int awaited = ENDED;
    for (int node = 0; node < done.length; node++) {
      if (ended[node]) {
        continue;
      }
      long cell = layout.dispatched(place.node(), node);
      long mark = context.board.load(context.rank, cell);
      int rows = NodeLayout.rows(mark, epoch);
      ended[node] = NodeLayout.isLast(mark, epoch);
      if (rows > done[node]) {
        relay.rows(node, done[node], rows - done[node]);
        context.pool.runBehind(carry, relay, relay.numChunks(), workers);
        done[node] = rows;
        awaited = MOVED;
      } else if (!ended[node] && awaited == ENDED) {
        awaited = node;
      }
    }
    return awaited;
  }

  private void placeSome() {
    int count = Math.min(workers, own.numChunks() - nextChunk);
    context.pool.runBehind(carry, part.of(own, nextChunk), count, workers);
    nextChunk += count;
  }

  private void awaitMore(int node) {
    long cell = layout.dispatched(place.node(), node);
    long expected = NodeLayout.mark(epoch, done[node], false) + 1;
    context.waiter.turn(place.onRail(node), context.rank, cell, expected, Phase.ARRIVE);
  }

  /// {@return bytes that the call put for other nodes}
  long bytes() {
    return sender.bytes();
  }

  /// Forgets the call, so that nothing of the caller's is kept alive.
  void clear() {
    sender.clear();
    relay.clear();
    part.clear();
  }
}
