package io.crossdock.host;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;

import io.crossdock.core.Tensor;
import io.crossdock.core.protocol.SendPlan;
import io.crossdock.core.spi.DispatchCall;
import java.lang.foreign.MemorySegment;

/// Writes each row of this rank to its final place in the window of every rank of this node that
/// wants it, with its scales, choices, weights and source index. A row is read once for all its
/// destinations.
///
/// Prepared on the thread that runs the call; its chunks run on any worker.
final class PlaceTask implements ChunkTask {
  /// Pieces of a row end where a cache line of the source may end.
  private static final long LINE_BYTES = 64;

  private final HostContext context;
  private final WindowWriter writer;
  private final long[] bases;
  private DispatchCall call;
  private SendPlan plan;
  private MemorySegment x;
  private MemorySegment scales;
  private MemorySegment weights;
  private long xPitchBytes;
  private long rowBytes;
  private long pieceBytes;
  private int chunkRows;
  private int[] choices;
  private int topk;

  PlaceTask(HostContext context) {
    this.context = context;
    this.writer = new WindowWriter(context);
    this.bases = new long[context.numRanks];
  }

  /// What the rows are written with; rows that other nodes sent may be too.
  WindowWriter writer() {
    return writer;
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
    writer.prepare(dispatch, plan.numEntries());
    scales = optional(dispatch.scales);
    weights = optional(dispatch.topkWeights);
    chunkRows = dispatch.config.chunkRows();
    topk = dispatch.topkIdx == null ? 0 : context.planner.topk();
    choices = context.planner.choices();
  }

  private static MemorySegment optional(Tensor tensor) {
    return tensor == null ? null : Memory.of(tensor);
  }

  /// Limits the next run to the rows that fit into the windows in a round.
  void round(int round) {
    writer.round(round);
    for (int dst = 0; dst < bases.length; dst++) {
      bases[dst] = call.handle.base(context.rank, dst);
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

  private long slot(int entry) {
    int dst = plan.rank(entry);
    return writer.slot(dst, bases[dst] + plan.position(entry));
  }

  private void placeRow(int token) {
    long source = token * xPitchBytes;
    for (long at = 0; at < rowBytes; at += pieceBytes) {
      long bytes = Math.min(pieceBytes, rowBytes - at);
      for (int entry = plan.begin(token); entry < plan.end(token); entry++) {
        long slot = slot(entry);
        if (slot != WindowWriter.ELSEWHERE) {
          int dst = plan.rank(entry);
          writer.putPiece(dst, writer.rowAt(dst, slot) + at, x, source + at, bytes);
        }
      }
    }
  }

  private void placeSideData(int token) {
    for (int entry = plan.begin(token); entry < plan.end(token); entry++) {
      int dst = plan.rank(entry);
      long slot = slot(entry);
      if (slot == WindowWriter.ELSEWHERE) {
        continue;
      }
      writer.putSource(dst, slot, token);
      if (scales != null) {
        writer.putScales(dst, slot, scales, token * call.scales.pitchBytes());
      }
      for (int k = 0; k < topk; k++) {
        int local = writer.localExpert(dst, choices[token * topk + k]);
        writer.putChoice(dst, slot, k, local);
        if (weights != null) {
          writer.putWeight(dst, slot, k, local < 0 ? 0.0f : weight(token, k));
        }
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
    writer.clear();
  }
}
