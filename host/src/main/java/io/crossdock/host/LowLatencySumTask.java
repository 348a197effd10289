package io.crossdock.host;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;

import io.crossdock.core.BufferSpec;
import io.crossdock.core.spi.LowLatencyCombineCall;
import java.lang.foreign.MemorySegment;

/// Sums the replies of each token with its weights, in the order of its choices. A choice whose
/// owner is masked brings nothing.
///
/// Prepared on the thread that runs the call; its chunks run on any worker.
final class LowLatencySumTask implements ChunkTask {
  private final LowLatencyContext context;
  private final WeightedSumKernel kernel;
  private final LogFmtKernel decoder;
  private final MemorySegment page;
  private WeightedSumKernel.Rows[] rows = new WeightedSumKernel.Rows[0];
  private LowLatencyCombineCall call;
  private ReplyPlan plan;
  private MemorySegment weights;
  private MemorySegment out;
  private boolean encoded;
  private long stride;
  private long epoch;
  private int numTokens;
  private int numChunks;

  LowLatencySumTask(LowLatencyContext context, LowLatencyKernels kernels) {
    this.context = context;
    this.kernel = kernels.sum();
    this.decoder = kernels.logFmt();
    this.page = context.pages[context.rank];
  }

  void prepare(LowLatencyCombineCall combine, ReplyPlan replies, int workers) {
    call = combine;
    plan = replies;
    weights = Memory.of(combine.topkWeights);
    out = Memory.of(combine.combinedX);
    encoded = LowLatencyCombine.isEncoded(combine.format);
    stride = encoded ? context.layout.combineRowBytes : context.hidden * 2L;
    epoch = combine.epoch;
    numTokens = combine.handle.numTokens;
    numChunks =
        LowLatencyContext.chunks((long) numTokens * plan.topk() * context.hidden * 2L, numTokens);
    if (rows.length < workers) {
      rows = new WeightedSumKernel.Rows[workers];
      for (int worker = 0; worker < workers; worker++) {
        rows[worker] = new WeightedSumKernel.Rows(BufferSpec.MAX_TOPK, context.hidden);
      }
    }
  }

  int numChunks() {
    return numChunks;
  }

  @Override
  public void run(int chunk, int worker) {
    int end = (int) ((chunk + 1L) * numTokens / numChunks);
    for (int token = (int) ((long) chunk * numTokens / numChunks); token < end; token++) {
      sumToken(token, rows[worker]);
    }
  }

  private void sumToken(int token, WeightedSumKernel.Rows set) {
    set.clear();
    long weightRow = token * call.topkWeights.pitchBytes();
    for (int k = 0; k < plan.topk(); k++) {
      int owner = plan.owner(token, k);
      if (owner != ReplyPlan.NONE && context.state.counts(epoch, owner)) {
        long at = context.layout.replies(epoch, owner) + plan.slot(token, k) * stride;
        set.add(page, at, weights.get(JAVA_FLOAT_UNALIGNED, weightRow + k * 4L));
      }
    }
    long to = token * call.combinedX.pitchBytes();
    if (encoded) {
      kernel.sumEncoded(set, decoder, out, to);
    } else {
      kernel.sum(set, out, to);
    }
  }

  /// Forgets the call, so that nothing of the caller's is kept alive.
  void clear() {
    call = null;
    plan = null;
    weights = null;
    out = null;
  }
}
