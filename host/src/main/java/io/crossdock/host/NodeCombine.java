package io.crossdock.host;

import io.crossdock.core.protocol.HandleData;
import io.crossdock.core.protocol.NodePlace;
import io.crossdock.core.spi.CombineCall;
import io.crossdock.core.spi.Pieces;
import java.lang.foreign.MemorySegment;
import java.util.function.BooleanSupplier;

/// The sums of a combine over several nodes: those for homes on other nodes go out chunk by chunk,
/// and in between this rank's tokens are summed as far as the others' sums arrived.
///
/// Confined to the thread that runs the call.
final class NodeCombine {
  /// Operations under way above which this rank's tokens are summed before more are put.
  private static final int MAX_PENDING = 8;

  private final HostContext context;
  private final NodePlace place;
  private final NodeLayout layout;
  private final ReduceTask reduce;
  private final HomeSumTask home;
  private final PartTask part = new PartTask();
  private final BooleanSupplier carry;
  private final Pieces pieces = new Pieces();
  private final int[] sent;
  private HandleData handle;
  private long partialBytes;
  private int chunkRows;
  private int workers;
  private int nextChunk;
  private int numChunks;
  private long epoch;
  private long bytes;

  NodeCombine(HostContext context, SumKernel kernel) {
    this.context = context;
    this.place = context.place;
    this.layout = context.layout.nodes;
    this.reduce = new ReduceTask(context, kernel);
    this.home = new HomeSumTask(context, kernel);
    this.carry = () -> context.network.poll();
    this.sent = new int[place.numNodes()];
  }

  /// Runs the sums of an entered call.
  ///
  /// @param rows where the outputs of this node are
  void run(CombineCall call, NodeRows rows, int numWorkers) {
    try {
      prepare(call, rows, numWorkers);
      sumAll();
      context.awaitSent();
    } finally {
      clear();
    }
  }

  private void prepare(CombineCall call, NodeRows rows, int numWorkers) {
    handle = call.handle;
    epoch = context.protocol.epoch();
    workers = numWorkers;
    chunkRows = call.config.networkChunkRows();
    int topk = call.topkWeights == null ? 0 : handle.topk;
    partialBytes = NodeLayout.partialBytes(context.spec.hidden(), topk);
    bytes = 0;
    reduce.prepare(call, rows, workers);
    home.prepare(call, rows, workers);
    nextChunk = 0;
    numChunks = home.numChunks();
    for (int node = 0; node < sent.length; node++) {
      sent[node] = 0;
    }
  }

  private void sumAll() {
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
    boolean sending = isSending();
    boolean moved = sending && post();
    if (nextChunk < numChunks) {
      int awaited = nextMissing(nextChunk);
      if (awaited < 0) {
        sumSome();
        moved = true;
      } else if (!moved) {
        awaitMore(awaited);
        return false;
      }
    } else if (!sending) {
      return true;
    }
    if (moved) {
      context.waiter.restartTurns();
    } else {
      context.waiter.turnForNetwork();
    }
    return false;
  }

  private boolean isSending() {
    for (int node = 0; node < sent.length; node++) {
      if (hasMore(node)) {
        return true;
      }
    }
    return false;
  }

  private boolean hasMore(int node) {
    return node != place.node() && sent[node] < handle.nodes.numRelayRows(node);
  }

  /// Sums and puts the next chunk for each node, those behind this one first.
  private boolean post() {
    if (context.network.pending() >= MAX_PENDING) {
      return false;
    }
    for (int i = 1; i < sent.length; i++) {
      int node = (place.node() + i) % sent.length;
      if (hasMore(node)) {
        post(node);
      }
    }
    return true;
  }

  private void post(int node) {
    int all = handle.nodes.numRelayRows(node);
    int first = sent[node];
    int count = Math.min(chunkRows, all - first);
    long at = first * partialBytes;
    MemorySegment stage = context.staging.chunks(node);
    reduce.rows(node, first, count, stage, at);
    context.pool.runBehind(carry, reduce, reduce.numChunks(), workers);
    pieces.clear().add(stage, at, count * partialBytes);
    int peer = place.onRail(node);
    context.network.put(peer, layout.chunks(node, place.node()) + at, pieces);
    sent[node] = first + count;
    long mark = NodeLayout.mark(epoch, sent[node], sent[node] == all);
    context.network.signal(peer, layout.combined(node, place.node()), mark);
    bytes += count * partialBytes;
  }

  /// Sums the tokens of as many chunks as there are workers, if all that they need is here.
  private void sumSome() {
    int count = 1;
    while (count < workers && nextChunk + count < numChunks && nextMissing(nextChunk + count) < 0) {
      count++;
    }
    context.pool.runBehind(carry, part.of(home, nextChunk), count, workers);
    nextChunk += count;
  }

  /// {@return a node whose sums a chunk of tokens lacks, or -1}
  private int nextMissing(int chunk) {
    for (int node = 0; node < sent.length; node++) {
      if (node != place.node() && arrived(node) < home.rowsNeeded(chunk, node)) {
        return node;
      }
    }
    return -1;
  }

  private int arrived(int node) {
    long cell = layout.combined(place.node(), node);
    return NodeLayout.rows(context.board.load(context.rank, cell), epoch);
  }

  private void awaitMore(int node) {
    long cell = layout.combined(place.node(), node);
    long expected = NodeLayout.mark(epoch, home.rowsNeeded(nextChunk, node), false);
    context.waiter.turn(place.onRail(node), context.rank, cell, expected, Phase.PARTIAL);
  }

  /// {@return bytes that the call put for other nodes}
  long bytes() {
    return bytes;
  }

  private void clear() {
    handle = null;
    reduce.clear();
    home.clear();
    part.clear();
  }
}
