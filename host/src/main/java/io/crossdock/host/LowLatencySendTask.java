package io.crossdock.host;

import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;

import io.crossdock.core.LowLatencyFormat;
import io.crossdock.core.spi.LowLatencyDispatchCall;
import java.lang.foreign.MemorySegment;

/// Writes each row of this rank into a slot for each of its selections. A row is cast once, into
/// the first of its slots, and copied from there.
///
/// Prepared on the thread that runs the call; its chunks run on any worker.
final class LowLatencySendTask implements ChunkTask {
  private final LowLatencyContext context;
  private final Fp8CastKernel cast;
  private final long scaleBytes;
  private SelectionPlan plan;
  private MemorySegment x;
  private long pitchBytes;
  private long rowBytes;
  private LowLatencyFormat format;
  private long epoch;
  private int numChunks;

  LowLatencySendTask(LowLatencyContext context, Fp8CastKernel cast) {
    this.context = context;
    this.cast = cast;
    this.scaleBytes = context.host.spec.maxScaleBytes();
  }

  void prepare(LowLatencyDispatchCall call) {
    plan = ((HostLowLatencyHandle) call.handle).plan;
    x = Memory.of(call.x);
    pitchBytes = call.x.pitchBytes();
    format = call.format;
    rowBytes = (long) context.hidden * format.rowType().bytes();
    epoch = call.epoch;
    numChunks = LowLatencyContext.chunks(plan.numSelections() * rowBytes, plan.numTokens());
  }

  int numChunks() {
    return numChunks;
  }

  @Override
  public void run(int chunk, int worker) {
    int tokens = plan.numTokens();
    int end = (int) ((chunk + 1L) * tokens / numChunks);
    for (int token = (int) ((long) chunk * tokens / numChunks); token < end; token++) {
      sendRow(token);
    }
  }

  private void sendRow(int token) {
    MemorySegment from = x;
    long row = token * pitchBytes;
    MemorySegment fromScales = null;
    long scales = 0;
    for (int k = 0; k < plan.topk(); k++) {
      int expert = plan.expert(token, k);
      int owner = expert < 0 ? -1 : plan.owner(expert);
      if (owner < 0 || context.state.isMasked(owner)) {
        continue;
      }
      MemorySegment page = context.lanes.at(owner);
      long slot = plan.slot(token, k);
      long to = context.layout.rows(epoch, context.rank) + slot * rowBytes;
      long toScales = context.layout.scales(epoch, context.rank) + slot * scaleBytes;
      if (format.isFp8() && fromScales == null) {
        cast(row, page, to, toScales);
        from = page;
        row = to;
        fromScales = page;
        scales = toScales;
      } else {
        MemorySegment.copy(from, row, page, to, rowBytes);
        copyScales(fromScales, scales, page, toScales);
      }
      long source = context.layout.sources(epoch, context.rank) + slot * 4;
      page.set(JAVA_INT_UNALIGNED, source, token);
    }
  }

  private void copyScales(MemorySegment from, long offset, MemorySegment page, long to) {
    if (from != null) {
      MemorySegment.copy(from, offset, page, to, scaleBytes);
    }
  }

  private void cast(long row, MemorySegment page, long to, long toScales) {
    if (format == LowLatencyFormat.FP8) {
      cast.cast(x, row, page, to, toScales);
    } else {
      cast.castRounded(x, row, page, to, toScales);
    }
  }

  /// Forgets the call, so that nothing of the caller's is kept alive.
  void clear() {
    plan = null;
    x = null;
  }
}
