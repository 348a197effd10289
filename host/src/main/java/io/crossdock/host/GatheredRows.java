package io.crossdock.host;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;

import io.crossdock.core.protocol.HandleData;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/// Rows brought home round by round, for a combine whose windows were too small: they are summed
/// once all are here, since the order of a sum is the order of the ranks and not that of the
/// rounds.
///
/// Confined to the thread that runs the call; read by its workers.
final class GatheredRows implements RowSource, AutoCloseable {
  private final HostContext context;
  private final HandleData handle;
  private final long rowBytes;
  private final long weightBytes;
  private final Arena arena = Arena.ofShared();

  /// All rows, then all weights.
  private final MemorySegment memory;

  private final long weights;

  GatheredRows(HostContext context, HandleData handle) {
    this.context = context;
    this.handle = handle;
    this.rowBytes = context.spec.hidden() * 2L;
    this.weightBytes = handle.topk * 4L;
    int entries = handle.plan.numEntries();
    this.weights = entries * rowBytes;
    this.memory = arena.allocate(weights + entries * weightBytes, 64);
  }

  /// Copies what the peers published in this round.
  void gather(int round) {
    for (int entry = 0; entry < handle.plan.numEntries(); entry++) {
      int peer = handle.plan.rank(entry);
      long row = handle.base(context.rank, peer) + handle.plan.position(entry);
      row -= round * context.protocol.entry(peer).capacityRows;
      if (row >= 0 && row < context.protocol.entry(peer).capacityRows) {
        gatherRow(entry, peer, row);
      }
    }
  }

  private void gatherRow(int entry, int peer, long row) {
    MemorySegment page = context.pages[peer];
    long window = context.layout.output(context.protocol.entry(peer).window);
    MemorySegment.copy(page, window + row * rowBytes, memory, entry * rowBytes, rowBytes);
    long at = window + context.layout.outputWeights + row * weightBytes;
    MemorySegment.copy(page, at, memory, weights + entry * weightBytes, weightBytes);
  }

  @Override
  public void addRow(RowSet set, int entry) {
    set.add(memory, entry * rowBytes);
  }

  @Override
  public float weight(int entry, int k) {
    return memory.get(JAVA_FLOAT_UNALIGNED, weights + entry * weightBytes + k * 4L);
  }

  @Override
  public void close() {
    arena.close();
  }
}
