package io.crossdock.host;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;

import io.crossdock.core.protocol.Entry;
import io.crossdock.core.protocol.HandleData;
import io.crossdock.core.protocol.NodePlace;
import io.crossdock.core.protocol.NodeRoutes;
import io.crossdock.core.protocol.SendPlan;
import io.crossdock.ffi.AnonymousMemory;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/// Rows of this node brought together round by round, for a combine whose windows were too small:
/// they are summed once all are here. Each home of the rail has a place for every pair of a row and
/// a rank of this node; places that stay empty cost nothing.
///
/// Confined to the thread that runs the call; read by its workers.
final class NodeGatheredRows implements NodeRows, AutoCloseable {
  private final HostContext context;
  private final NodePlace place;
  private final HandleData handle;
  private final long rowBytes;
  private final long weightBytes;
  private final long[] firsts;
  private final Arena arena = Arena.ofShared();

  /// All rows, then all weights.
  private final MemorySegment memory;

  private final long weights;

  NodeGatheredRows(HostContext context, HandleData handle) {
    this.context = context;
    this.place = context.place;
    this.handle = handle;
    this.rowBytes = context.spec.hidden() * 2L;
    this.weightBytes = handle.topk * 4L;
    this.firsts = new long[place.numNodes()];
    long places = 0;
    for (int node = 0; node < firsts.length; node++) {
      firsts[node] = places;
      boolean own = node == place.node();
      int rows = own ? handle.numTokens() : handle.nodes.numRelayRows(node);
      places += (long) rows * place.numLocalRanks();
    }
    this.weights = places * rowBytes;
    this.memory = AnonymousMemory.map(weights + places * weightBytes, arena);
  }

  private long place(int node, int index, int local) {
    return firsts[node] + (long) index * place.numLocalRanks() + local;
  }

  /// Copies what the ranks of this node published in this round.
  void gather(int round) {
    SendPlan plan = handle.plan;
    for (int token = 0; token < plan.numTokens(); token++) {
      for (int entry = plan.begin(token); entry < plan.end(token); entry++) {
        int owner = plan.rank(entry);
        if (place.isNear(owner)) {
          long to = place(place.node(), token, owner - place.firstNear());
          gather(round, context.rank, owner, plan.position(entry), to);
        }
      }
    }
    for (int node = 0; node < firsts.length; node++) {
      if (node != place.node()) {
        gatherStream(round, node);
      }
    }
  }

  private void gatherStream(int round, int node) {
    NodeRoutes routes = handle.nodes;
    for (int index = 0; index < routes.numRelayRows(node); index++) {
      for (int local = 0; local < place.numLocalRanks(); local++) {
        int position = routes.relayPosition(node, index, local);
        if (position != NodeRoutes.NONE) {
          int owner = place.firstNear() + local;
          gather(round, place.onRail(node), owner, position, place(node, index, local));
        }
      }
    }
  }

  private void gather(int round, int home, int owner, int position, long to) {
    Entry entry = context.protocol.entry(owner);
    long row = handle.base(home, owner) + position - round * entry.capacityRows;
    if (row < 0 || row >= entry.capacityRows) {
      return;
    }
    MemorySegment page = context.pages[owner];
    long window = context.layout.output(entry.window);
    MemorySegment.copy(page, window + row * rowBytes, memory, to * rowBytes, rowBytes);
    long at = window + context.layout.outputWeights + row * weightBytes;
    MemorySegment.copy(page, at, memory, weights + to * weightBytes, weightBytes);
  }

  private long place(Key row) {
    return place(row.node, row.index, row.local);
  }

  @Override
  public void addRow(RowSet rows, Key row) {
    rows.add(memory, place(row) * rowBytes);
  }

  @Override
  public float weight(Key row, int k) {
    return memory.get(JAVA_FLOAT_UNALIGNED, weights + place(row) * weightBytes + k * 4L);
  }

  @Override
  public void close() {
    arena.close();
  }
}
