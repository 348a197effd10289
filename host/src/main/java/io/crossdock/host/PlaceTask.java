package io.crossdock.host;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;

import io.crossdock.core.Tensor;
import io.crossdock.core.protocol.Entry;
import io.crossdock.core.protocol.HandleData;
import io.crossdock.core.protocol.SendPlan;
import io.crossdock.core.spi.DispatchCall;
import io.crossdock.ffi.StreamingCopy;
import java.lang.foreign.MemorySegment;

/// Writes each row of this rank to its final place in the window of every rank that wants it, with
/// its scales, choices, weights and source index. A row is read once for all its destinations.
///
/// Prepared on the thread that runs the call; its chunks run on any worker.
final class PlaceTask implements ChunkTask {
  /// Pieces of a row end where a cache line of the source may end.
  private static final long LINE_BYTES = 64;

  private final HostContext context;
  private final long[] windows;
  private final long[] bases;
  private final long[] firstRows;
  private final long[] endRows;
  private DispatchCall call;
  private SendPlan plan;
  private MemorySegment x;
  private MemorySegment scales;
  private MemorySegment weights;
  private long xPitchBytes;
  private long rowBytes;
  private long pieceBytes;
  private boolean streams;
  private long scaleBytes;
  private int chunkRows;
  private int[] choices;
  private int topk;
  private int indexBytes;

  PlaceTask(HostContext context) {
    this.context = context;
    int numRanks = context.numRanks;
    windows = new long[numRanks];
    bases = new long[numRanks];
    firstRows = new long[numRanks];
    endRows = new long[numRanks];
  }

  /// Takes over a call whose epoch was entered.
  void prepare(DispatchCall dispatch) {
    call = dispatch;
    plan = dispatch.handle.plan;
    x = Memory.of(dispatch.x);
    xPitchBytes = dispatch.x.pitchBytes();
    rowBytes = dispatch.x.rowBytes();
    long share = Math.ceilDiv(rowBytes, dispatch.config.stages());
    pieceBytes = Math.ceilDiv(share, LINE_BYTES) * LINE_BYTES;
    streams = plan.numEntries() * rowBytes >= CopyTask.STREAMED_BYTES;
    scales = optional(dispatch.scales);
    scaleBytes = dispatch.scales == null ? 0 : dispatch.scales.rowBytes();
    weights = optional(dispatch.topkWeights);
    chunkRows = dispatch.config.chunkRows();
    topk = dispatch.topkIdx == null ? 0 : context.planner.topk();
    indexBytes = dispatch.topkIdx == null ? 0 : dispatch.topkIdx.dtype().bytes();
    choices = context.planner.choices();
  }

  private static MemorySegment optional(Tensor tensor) {
    return tensor == null ? null : Memory.of(tensor);
  }

  /// Limits the next run to the rows that fit into the windows in a round.
  void round(int round) {
    HandleData handle = call.handle;
    for (int dst = 0; dst < context.numRanks; dst++) {
      Entry entry = context.protocol.entry(dst);
      windows[dst] = context.layout.receive(entry.window);
      bases[dst] = handle.base(context.rank, dst);
      firstRows[dst] = round * entry.capacityRows;
      endRows[dst] = firstRows[dst] + entry.capacityRows;
    }
  }

  int numChunks() {
    return Math.ceilDiv(plan.numTokens(), chunkRows);
  }

  int numPieces() {
    return Math.toIntExact(Math.ceilDiv(rowBytes, pieceBytes));
  }

  @Override
  public void run(int chunk, int worker) {
    int first = chunk * chunkRows;
    int end = first + Math.min(chunkRows, plan.numTokens() - first);
    for (int token = first; token < end; token++) {
      placeRow(token);
      placeSideData(token);
    }
  }

  private void placeRow(int token) {
    long source = token * xPitchBytes;
    for (long at = 0; at < rowBytes; at += pieceBytes) {
      long bytes = Math.min(pieceBytes, rowBytes - at);
      for (int entry = plan.begin(token); entry < plan.end(token); entry++) {
        int dst = plan.rank(entry);
        long row = bases[dst] + plan.position(entry);
        if (row >= firstRows[dst] && row < endRows[dst]) {
          long target = windows[dst] + (row - firstRows[dst]) * rowBytes + at;
          store(source + at, context.pages[dst], target, bytes);
        }
      }
    }
  }

  private void store(long source, MemorySegment page, long target, long bytes) {
    if (streams) {
      StreamingCopy.copy(x, source, page, target, bytes);
    } else {
      MemorySegment.copy(x, source, page, target, bytes);
    }
  }

  private void placeSideData(int token) {
    for (int entry = plan.begin(token); entry < plan.end(token); entry++) {
      int dst = plan.rank(entry);
      long row = bases[dst] + plan.position(entry) - firstRows[dst];
      if (row < 0 || row >= endRows[dst] - firstRows[dst]) {
        continue;
      }
      MemorySegment page = context.pages[dst];
      WindowLayout layout = context.layout;
      page.set(JAVA_INT_UNALIGNED, windows[dst] + layout.recvSource + row * 4, token);
      if (scales != null) {
        MemorySegment.copy(
            scales,
            token * call.scales.pitchBytes(),
            page,
            windows[dst] + layout.recvScales + row * scaleBytes,
            scaleBytes);
      }
      if (topk > 0) {
        placeChoices(token, dst, row);
      }
    }
  }

  private void placeChoices(int token, int dst, long row) {
    MemorySegment page = context.pages[dst];
    int perRank = call.handle.numExperts / context.numRanks;
    long ids = windows[dst] + context.layout.recvTopkIdx + row * topk * indexBytes;
    long sums = windows[dst] + context.layout.recvTopkWeights + row * topk * 4L;
    for (int k = 0; k < topk; k++) {
      int local = choices[token * topk + k] - dst * perRank;
      boolean here = local >= 0 && local < perRank;
      if (indexBytes == 8) {
        page.set(JAVA_LONG_UNALIGNED, ids + k * 8L, here ? local : -1L);
      } else {
        page.set(JAVA_INT_UNALIGNED, ids + k * 4L, here ? local : -1);
      }
      if (weights != null) {
        float weight = here ? weight(token, k) : 0.0f;
        page.set(JAVA_FLOAT_UNALIGNED, sums + k * 4L, weight);
      }
    }
  }

  private float weight(int token, int k) {
    return weights.get(JAVA_FLOAT_UNALIGNED, token * call.topkWeights.pitchBytes() + k * 4L);
  }

  /// Forgets the call, so that nothing of the caller's is kept alive.
  void clear() {
    call = null;
    plan = null;
    x = null;
    scales = null;
    weights = null;
  }
}
