package io.crossdock.host;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;

import io.crossdock.core.protocol.HandleData;
import io.crossdock.core.protocol.SendPlan;
import io.crossdock.core.spi.CombineCall;
import java.lang.foreign.MemorySegment;

/// Sums, for each token of this rank, its rows out of the windows of the ranks that computed them,
/// in ascending rank order.
///
/// Prepared on the thread that runs the call; its chunks run on any worker.
final class PullTask implements ChunkTask {
  private final HostContext context;
  private final SumKernel kernel;
  private final RowSource source;
  private RowSet[] rowSets = new RowSet[0];
  private SumKernel.Work[] works = new SumKernel.Work[0];
  private CombineCall call;
  private SendPlan plan;
  private MemorySegment out;
  private MemorySegment outWeights;
  private MemorySegment bias0;
  private MemorySegment bias1;
  private int chunkRows;

  PullTask(HostContext context, SumKernel kernel, RowSource source) {
    this.context = context;
    this.kernel = kernel;
    this.source = source;
  }

  void prepare(CombineCall combine, int workers) {
    call = combine;
    plan = combine.handle.plan;
    out = Memory.of(combine.combinedX);
    boolean weighted = combine.topkWeights != null;
    outWeights = weighted ? Memory.of(combine.combinedTopkWeights) : null;
    bias0 = combine.bias0 == null ? null : Memory.of(combine.bias0);
    bias1 = combine.bias1 == null ? null : Memory.of(combine.bias1);
    chunkRows = combine.config.chunkRows();
    growScratch(workers);
    for (SumKernel.Work work : works) {
      work.rowsPerPass = Math.min(4, combine.config.stages());
    }
  }

  private void growScratch(int workers) {
    if (works.length >= workers) {
      return;
    }
    rowSets = new RowSet[workers];
    works = new SumKernel.Work[workers];
    for (int i = 0; i < workers; i++) {
      rowSets[i] = new RowSet(context.numRanks + 2);
      works[i] = new SumKernel.Work(context.spec.hidden());
    }
  }

  int numChunks() {
    return Math.ceilDiv(plan.numTokens(), chunkRows);
  }

  @Override
  public void run(int chunk, int worker) {
    int first = chunk * chunkRows;
    int end = first + Math.min(chunkRows, plan.numTokens() - first);
    for (int token = first; token < end; token++) {
      sumRows(token, rowSets[worker], works[worker]);
      if (outWeights != null) {
        sumWeights(token);
      }
    }
  }

  private void sumRows(int token, RowSet rows, SumKernel.Work work) {
    rows.clear();
    if (bias0 != null) {
      rows.startsWithFirst = true;
      rows.add(bias0, token * call.bias0.pitchBytes());
    }
    if (bias1 != null) {
      rows.add(bias1, token * call.bias1.pitchBytes());
    }
    for (int entry = plan.begin(token); entry < plan.end(token); entry++) {
      source.addRow(rows, entry);
    }
    kernel.sum(rows, out, token * call.combinedX.pitchBytes(), work);
  }

  private void sumWeights(int token) {
    HandleData handle = call.handle;
    for (int k = 0; k < handle.topk; k++) {
      float sum = 0.0f;
      for (int entry = plan.begin(token); entry < plan.end(token); entry++) {
        sum += source.weight(entry, k);
      }
      outWeights.set(
          JAVA_FLOAT_UNALIGNED, token * call.combinedTopkWeights.pitchBytes() + k * 4L, sum);
    }
  }

  /// Forgets the call, so that nothing of the caller's is kept alive.
  void clear() {
    for (RowSet rows : rowSets) {
      rows.forget();
    }
    call = null;
    plan = null;
    out = null;
    outWeights = null;
    bias0 = null;
    bias1 = null;
  }
}
