package io.crossdock.host;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;

import io.crossdock.core.protocol.Entry;
import io.crossdock.core.protocol.NodePlace;
import io.crossdock.core.protocol.NodeRoutes;
import io.crossdock.core.protocol.SendPlan;
import io.crossdock.core.spi.DispatchCall;
import io.crossdock.core.spi.Pieces;
import java.lang.foreign.MemorySegment;

/// Sends the streams of a dispatch to other nodes, chunk by chunk: rows go out of the caller's
/// tensor, or are staged if that lies on the heap; what goes along with them is staged. A row that
/// the rank on this rail wants itself goes to its place in that rank's window, and only others to
/// the landing.
///
/// Confined to the thread that runs the call.
final class NodeSender {
  private final HostContext context;
  private final NodePlace place;
  private final NodeLayout layout;
  private long epoch;
  private final int[] next;
  private final int[][] rows;

  /// Where each of the rows goes in the window of the rank on this rail, or that it does not.
  private final long[][] places;

  private final int[] numRows;

  private final Pieces pieces = new Pieces();
  private DispatchCall call;
  private NodeRoutes routes;
  private SendPlan plan;
  private MemorySegment x;
  private long rowBytes;
  private long scaleBytes;
  private long sideBytes;
  private int topk;
  private int[] choices;
  private int chunkRows;
  private long bytes;

  /// Where what is gathered goes, and where that ends.
  private long gathered;

  private long gatheredEnd;

  NodeSender(HostContext context) {
    this.context = context;
    this.place = context.place;
    this.layout = context.layout.nodes;
    int numNodes = place.numNodes();
    next = new int[numNodes];
    rows = new int[numNodes][0];
    places = new long[numNodes][0];
    numRows = new int[numNodes];
  }

  /// Takes over a call whose epoch was entered.
  void prepare(DispatchCall dispatch) {
    call = dispatch;
    plan = dispatch.handle.plan;
    routes = dispatch.handle.nodes;
    x = Memory.of(dispatch.x);
    rowBytes = dispatch.x.rowBytes();
    scaleBytes = dispatch.scales == null ? 0 : dispatch.scales.rowBytes();
    topk = dispatch.topkIdx == null ? 0 : context.planner.topk();
    choices = context.planner.choices();
    sideBytes = NodeLayout.sideBytes(place, topk, dispatch.topkWeights != null, scaleBytes);
    chunkRows = dispatch.config.networkChunkRows();
    pieces.clear();
    bytes = 0;
  }

  /// Begins a round: all that is to be sent is not sent yet.
  void round(int round) {
    epoch = context.protocol.epoch();
    for (int node = 0; node < next.length; node++) {
      next[node] = 0;
      numRows[node] = 0;
      if (node != place.node()) {
        select(node, round);
      }
    }
  }

  /// Picks the rows of a stream that go into some window of the node in a round.
  private void select(int node, int round) {
    int all = routes.numRows(node);
    if (rows[node].length < all) {
      rows[node] = new int[all];
      places[node] = new long[all];
    }
    int relay = place.onRail(node);
    for (int index = 0; index < all; index++) {
      int token = routes.token(node, index);
      boolean isInRound = false;
      places[node][numRows[node]] = WindowWriter.ELSEWHERE;
      for (int entry = plan.begin(token); entry < plan.end(token); entry++) {
        int dst = plan.rank(entry);
        long at = place.nodeOf(dst) == node ? placeOf(entry, round) : WindowWriter.ELSEWHERE;
        isInRound |= at != WindowWriter.ELSEWHERE;
        if (dst == relay) {
          places[node][numRows[node]] = at;
        }
      }
      if (isInRound) {
        rows[node][numRows[node]++] = index;
      }
    }
  }

  /// {@return where a row lies in the memory of a rank that wants it, if it goes into the window in
  /// a round}
  private long placeOf(int entry, int round) {
    int dst = plan.rank(entry);
    Entry theirs = context.protocol.entry(dst);
    long row = call.handle.base(context.rank, dst) + plan.position(entry);
    row -= round * theirs.capacityRows;
    boolean fits = row >= 0 && row < theirs.capacityRows;
    return fits ? context.layout.receive(theirs.window) + row * rowBytes : WindowWriter.ELSEWHERE;
  }

  /// {@return true once all chunks of the round were put}
  boolean isDone() {
    for (int node = 0; node < next.length; node++) {
      if (hasMore(node)) {
        return false;
      }
    }
    return true;
  }

  /// An empty stream has an end too.
  private boolean hasMore(int node) {
    return node != place.node() && next[node] <= Math.max(0, numRows[node] - 1);
  }

  /// Puts the next chunk to each node, the nodes behind this one first, so that not all send to the
  /// same.
  void post() {
    int numNodes = place.numNodes();
    for (int i = 1; i < numNodes; i++) {
      int node = (place.node() + i) % numNodes;
      if (hasMore(node)) {
        post(node);
      }
    }
  }

  private void post(int node) {
    int first = next[node];
    int count = Math.min(chunkRows, numRows[node] - first);
    int peer = place.onRail(node);
    if (count > 0) {
      putChunk(node, first, count);
    }
    int end = first + count;
    boolean last = end == numRows[node];
    next[node] = last ? Math.max(1, end) : end;
    long mark = NodeLayout.mark(epoch, end, last);
    context.network.signal(peer, layout.dispatched(node, place.node()), mark);
  }

  private void putChunk(int node, int first, int count) {
    int peer = place.onRail(node);
    long at = (long) first * (rowBytes + sideBytes);
    long chunk = layout.chunks(node, place.node()) + at;
    MemorySegment stage = context.staging.chunks(node);
    long sides = count * rowBytes;
    for (int i = 0; i < count; i++) {
      int index = rows[node][first + i];
      long landing = chunk + i * rowBytes;
      long window = places[node][first + i];
      long from = routes.token(node, index) * call.x.pitchBytes();
      MemorySegment memory = x;
      if (!x.isNative()) {
        MemorySegment.copy(x, from, stage, at + i * rowBytes, rowBytes);
        memory = stage;
        from = at + i * rowBytes;
      }
      gather(peer, window == WindowWriter.ELSEWHERE ? landing : window, memory, from, rowBytes);
      putSide(stage, at + sides + i * sideBytes, node, index);
    }
    gather(peer, chunk + sides, stage, at + sides, count * sideBytes);
    putGathered(peer);
  }

  /// Adds to what goes to a peer; puts all before if this does not go behind it.
  private void gather(int peer, long to, MemorySegment from, long offset, long size) {
    if (to != gatheredEnd || pieces.count() == 0) {
      putGathered(peer);
      gathered = to;
    }
    pieces.add(from, offset, size);
    gatheredEnd = to + size;
  }

  private void putGathered(int peer) {
    if (pieces.count() > 0) {
      context.network.put(peer, gathered, pieces);
      bytes += pieces.byteSize();
      pieces.clear();
    }
  }

  private void putSide(MemorySegment stage, long at, int node, int index) {
    int token = routes.token(node, index);
    if (scaleBytes > 0) {
      long from = token * call.scales.pitchBytes();
      MemorySegment.copy(Memory.of(call.scales), from, stage, at, scaleBytes);
    }
    long to = at + scaleBytes;
    stage.set(JAVA_INT_UNALIGNED, to, token);
    stage.set(JAVA_INT_UNALIGNED, to + 4, index);
    to = putPositions(stage, to + 8, node, token);
    for (int k = 0; k < topk; k++) {
      stage.set(JAVA_INT_UNALIGNED, to + k * 4L, choices[token * topk + k]);
    }
    if (call.topkWeights != null) {
      MemorySegment weights = Memory.of(call.topkWeights);
      long from = token * call.topkWeights.pitchBytes();
      for (int k = 0; k < topk; k++) {
        float weight = weights.get(JAVA_FLOAT_UNALIGNED, from + k * 4L);
        stage.set(JAVA_FLOAT_UNALIGNED, to + (topk + k) * 4L, weight);
      }
    }
  }

  /// @return behind the positions
  private long putPositions(MemorySegment stage, long at, int node, int token) {
    int entry = plan.begin(token);
    int first = node * place.numLocalRanks();
    while (entry < plan.end(token) && plan.rank(entry) < first) {
      entry++;
    }
    for (int local = 0; local < place.numLocalRanks(); local++) {
      boolean goes = entry < plan.end(token) && plan.rank(entry) == first + local;
      int position = goes ? plan.position(entry++) : NodeRoutes.NONE;
      stage.set(JAVA_INT_UNALIGNED, at + local * 4L, position);
    }
    return at + place.numLocalRanks() * 4L;
  }

  /// {@return bytes that this call put so far}
  long bytes() {
    return bytes;
  }

  /// Forgets the call, so that nothing of the caller's is kept alive.
  void clear() {
    call = null;
    plan = null;
    routes = null;
    x = null;
  }
}
