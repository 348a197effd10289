package io.crossdock.host;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;

import io.crossdock.core.protocol.HandleData;
import io.crossdock.core.protocol.NodePlace;
import io.crossdock.core.protocol.NodeRoutes;
import io.crossdock.core.spi.DispatchCall;
import java.lang.foreign.MemorySegment;

/// Forwards rows that arrived from another node to every rank of this node that wants them. All
/// that is needed came along with each row. A row that this rank wants arrived in its window, and
/// is forwarded from there.
///
/// Prepared on the thread that runs the call; its chunks run on any worker.
final class RelayTask implements ChunkTask {
  /// Rows that a worker takes at a time.
  private static final int ROWS = 4;

  private final HostContext context;
  private final NodePlace place;
  private final NodeLayout layout;
  private final WindowWriter writer;
  private final MemorySegment page;
  private final long[] bases;
  private DispatchCall call;
  private long rowBytes;
  private long scaleBytes;
  private long sideBytes;
  private int topk;
  private int node;
  private int chunkRows;
  private long chunks;
  private int first;
  private int end;

  RelayTask(HostContext context, WindowWriter writer) {
    this.context = context;
    this.place = context.place;
    this.layout = context.layout.nodes;
    this.writer = writer;
    this.page = context.pages[context.rank];
    this.bases = new long[place.numLocalRanks()];
  }

  /// Takes over a call whose epoch was entered.
  void prepare(DispatchCall dispatch) {
    call = dispatch;
    rowBytes = dispatch.x.rowBytes();
    scaleBytes = dispatch.scales == null ? 0 : dispatch.scales.rowBytes();
    topk = dispatch.topkIdx == null ? 0 : context.planner.topk();
    sideBytes = NodeLayout.sideBytes(place, topk, dispatch.topkWeights != null, scaleBytes);
  }

  /// Sets what the next run forwards: rows that are here.
  ///
  /// @param from the node they came from
  /// @param begin the first row of its stream, in this round
  /// @param count rows
  void rows(int from, int begin, int count) {
    node = from;
    int source = place.onRail(from);
    chunkRows = context.protocol.entry(source).networkChunkRows;
    chunks = layout.chunks(place.node(), from);
    first = begin;
    end = begin + count;
    HandleData handle = call.handle;
    for (int local = 0; local < bases.length; local++) {
      bases[local] = handle.base(source, place.firstNear() + local);
    }
    if (!call.cached) {
      remember(handle.nodes);
    }
  }

  /// A combine goes the same way back.
  private void remember(NodeRoutes routes) {
    for (int row = first; row < end; row++) {
      long side = side(row);
      int index = page.get(JAVA_INT_UNALIGNED, side + 4);
      routes.growRelay(node, index + 1);
      for (int local = 0; local < bases.length; local++) {
        routes.putRelay(node, index, local, position(side, local));
      }
    }
  }

  int numChunks() {
    return Math.ceilDiv(end - first, ROWS);
  }

  /// Where the chunk of a row begins.
  private long chunk(int row) {
    return chunks + (row / chunkRows * (long) chunkRows) * (rowBytes + sideBytes);
  }

  private long row(int row) {
    return chunk(row) + row % chunkRows * rowBytes;
  }

  /// Where the numbers lie that came along with a row, behind its scales. All rows of its chunk are
  /// here.
  private long side(int row) {
    int inChunk = Math.min(chunkRows, end - row / chunkRows * chunkRows);
    return chunk(row) + inChunk * rowBytes + row % chunkRows * sideBytes + scaleBytes;
  }

  private int position(long side, int local) {
    return page.get(JAVA_INT_UNALIGNED, side + 8 + local * 4L);
  }

  @Override
  public void run(int chunk, int worker) {
    int from = first + chunk * ROWS;
    for (int row = from; row < Math.min(end, from + ROWS); row++) {
      long side = side(row);
      long here = slot(side, context.rank);
      long source = here == WindowWriter.ELSEWHERE ? row(row) : writer.rowAt(context.rank, here);
      for (int dst = place.firstNear(); dst < place.endNear(); dst++) {
        long slot = slot(side, dst);
        if (slot != WindowWriter.ELSEWHERE) {
          forward(source, side, dst, slot);
        }
      }
    }
  }

  private long slot(long side, int dst) {
    int local = dst - place.firstNear();
    int position = position(side, local);
    return position == NodeRoutes.NONE
        ? WindowWriter.ELSEWHERE
        : writer.slot(dst, bases[local] + position);
  }

  private void forward(long source, long side, int dst, long slot) {
    if (dst != context.rank) {
      writer.putPiece(dst, writer.rowAt(dst, slot), page, source, rowBytes);
    }
    writer.putSource(dst, slot, page.get(JAVA_INT_UNALIGNED, side));
    if (scaleBytes > 0) {
      writer.putScales(dst, slot, page, side - scaleBytes);
    }
    long choices = side + 8 + bases.length * 4L;
    for (int k = 0; k < topk; k++) {
      int local = writer.localExpert(dst, page.get(JAVA_INT_UNALIGNED, choices + k * 4L));
      writer.putChoice(dst, slot, k, local);
      if (call.topkWeights != null) {
        float weight = page.get(JAVA_FLOAT_UNALIGNED, choices + (topk + k) * 4L);
        writer.putWeight(dst, slot, k, local < 0 ? 0.0f : weight);
      }
    }
  }

  /// Forgets the call, so that nothing of the caller's is kept alive.
  void clear() {
    call = null;
  }
}
