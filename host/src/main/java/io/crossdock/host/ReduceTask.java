package io.crossdock.host;

import io.crossdock.core.protocol.HandleData;
import io.crossdock.core.spi.CombineCall;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;

/// Sums rows of this node for homes on other nodes, into staging memory.
///
/// Prepared on the thread that runs the call; its chunks run on any worker.
final class ReduceTask implements ChunkTask {
  /// Rows that a worker takes at a time.
  private static final int ROWS = 4;

  private static final long NO_WEIGHTS = -1;

  private final HostContext context;
  private final SumKernel kernel;
  private final long rowBytes;
  private NodePartials[] partials = new NodePartials[0];
  private NodePartials.Target[] targets = new NodePartials.Target[0];
  private HandleData handle;
  private NodeRows source;
  private MemorySegment out;
  private boolean weighted;
  private long outOffset;
  private int node;
  private int first;
  private int count;

  ReduceTask(HostContext context, SumKernel kernel) {
    this.context = context;
    this.kernel = kernel;
    this.rowBytes = context.spec.hidden() * 2L;
  }

  void prepare(CombineCall call, NodeRows rows, int workers) {
    handle = call.handle;
    source = rows;
    weighted = call.topkWeights != null;
    if (partials.length < workers) {
      partials = new NodePartials[workers];
      targets = new NodePartials.Target[workers];
      Arrays.setAll(partials, worker -> new NodePartials(context, kernel));
      Arrays.setAll(targets, worker -> new NodePartials.Target());
    }
    for (NodePartials sums : partials) {
      sums.work(Math.min(4, call.config.stages()));
    }
  }

  /// Sets what the next run sums: rows of a stream, one behind the other, then their weights.
  ///
  /// @param home the node of the stream
  void rows(int home, int begin, int number, MemorySegment to, long offset) {
    node = home;
    first = begin;
    count = number;
    out = to;
    outOffset = offset;
  }

  int numChunks() {
    return Math.ceilDiv(count, ROWS);
  }

  @Override
  public void run(int chunk, int worker) {
    int from = chunk * ROWS;
    for (int i = from; i < Math.min(count, from + ROWS); i++) {
      long weightsAt = outOffset + count * rowBytes + i * (handle.topk * 4L);
      NodePartials.Target target = targets[worker];
      target.at(out, outOffset + i * rowBytes, weighted ? weightsAt : NO_WEIGHTS);
      partials[worker].relayed(source, handle, node, first + i, target);
    }
  }

  void clear() {
    handle = null;
    source = null;
    out = null;
  }
}
