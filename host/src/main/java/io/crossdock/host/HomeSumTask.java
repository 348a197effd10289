package io.crossdock.host;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;

import io.crossdock.core.protocol.HandleData;
import io.crossdock.core.protocol.NodePlace;
import io.crossdock.core.protocol.NodeRoutes;
import io.crossdock.core.spi.CombineCall;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/// Sums, for each token of this rank, the biases and what each node has of it, in the order of the
/// nodes. The sum of this node is made and rounded first, like those that other nodes sent.
///
/// Prepared on the thread that runs the call; its chunks run on any worker.
final class HomeSumTask implements ChunkTask {
  private static final long NO_WEIGHTS = -1;

  private final HostContext context;
  private final NodePlace place;
  private final SumKernel kernel;
  private final MemorySegment page;
  private final long rowBytes;
  private Scratch[] scratch = new Scratch[0];
  private CombineCall call;
  private HandleData handle;
  private NodeRows source;
  private MemorySegment out;
  private MemorySegment outWeights;
  private MemorySegment bias0;
  private MemorySegment bias1;
  private long weightBytes;
  private int chunkRows;

  HomeSumTask(HostContext context, SumKernel kernel) {
    this.context = context;
    this.place = context.place;
    this.kernel = kernel;
    this.page = context.pages[context.rank];
    this.rowBytes = context.spec.hidden() * 2L;
  }

  /// What a worker works with.
  private static final class Scratch {
    private final NodePartials partials;
    private final NodePartials.Target target = new NodePartials.Target();
    private final RowSet rows;
    private final MemorySegment sum;

    Scratch(HostContext context, SumKernel kernel) {
      partials = new NodePartials(context, kernel);
      rows = new RowSet(context.place.numNodes() + 2);
      sum = Arena.ofAuto().allocate(context.spec.hidden() * 2L, 64);
    }
  }

  void prepare(CombineCall combine, NodeRows rows, int workers) {
    call = combine;
    handle = combine.handle;
    source = rows;
    out = Memory.of(combine.combinedX);
    boolean weighted = combine.topkWeights != null;
    outWeights = weighted ? Memory.of(combine.combinedTopkWeights) : null;
    weightBytes = weighted ? handle.topk * 4L : 0;
    bias0 = combine.bias0 == null ? null : Memory.of(combine.bias0);
    bias1 = combine.bias1 == null ? null : Memory.of(combine.bias1);
    chunkRows = combine.config.chunkRows();
    if (scratch.length < workers) {
      scratch = new Scratch[workers];
      for (int worker = 0; worker < workers; worker++) {
        scratch[worker] = new Scratch(context, kernel);
      }
    }
    for (Scratch own : scratch) {
      own.partials.work(Math.min(4, combine.config.stages()));
    }
  }

  int numChunks() {
    return Math.ceilDiv(handle.plan.numTokens(), chunkRows);
  }

  /// {@return rows of another node's partial sums that a chunk needs}
  int rowsNeeded(int chunk, int node) {
    int first = chunk * chunkRows;
    int token = first + Math.min(chunkRows, handle.plan.numTokens() - first) - 1;
    while (token >= first && handle.nodes.index(node, token) == NodeRoutes.NONE) {
      token--;
    }
    return token < first ? 0 : handle.nodes.index(node, token) + 1;
  }

  @Override
  public void run(int chunk, int worker) {
    int first = chunk * chunkRows;
    int end = first + Math.min(chunkRows, handle.plan.numTokens() - first);
    for (int token = first; token < end; token++) {
      sumRows(token, scratch[worker]);
      for (int k = 0; outWeights != null && k < handle.topk; k++) {
        long at = token * call.combinedTopkWeights.pitchBytes() + k * 4L;
        outWeights.set(JAVA_FLOAT_UNALIGNED, at, sumOfWeight(token, k, scratch[worker]));
      }
    }
  }

  private void sumRows(int token, Scratch own) {
    RowSet rows = own.rows;
    rows.clear();
    if (bias0 != null) {
      rows.startsWithFirst = true;
      rows.add(bias0, token * call.bias0.pitchBytes());
    }
    if (bias1 != null) {
      rows.add(bias1, token * call.bias1.pitchBytes());
    }
    for (int node = 0; node < place.numNodes(); node++) {
      if (node == place.node()) {
        own.target.at(own.sum, 0, NO_WEIGHTS);
        if (own.partials.own(source, handle, token, own.target)) {
          rows.add(own.sum, 0);
        }
      } else if (handle.nodes.index(node, token) != NodeRoutes.NONE) {
        int index = handle.nodes.index(node, token);
        rows.add(page, chunk(node, index) + index % networkRows(node) * rowBytes);
      }
    }
    SumKernel.Work work = own.partials.work(Math.min(4, call.config.stages()));
    kernel.sum(rows, out, token * call.combinedX.pitchBytes(), work);
  }

  private float sumOfWeight(int token, int k, Scratch own) {
    float sum = 0.0f;
    for (int node = 0; node < place.numNodes(); node++) {
      if (node == place.node()) {
        sum += own.partials.ownWeight(source, handle, token, k);
      } else if (handle.nodes.index(node, token) != NodeRoutes.NONE) {
        sum += page.get(JAVA_FLOAT_UNALIGNED, weights(node, token) + k * 4L);
      }
    }
    return sum;
  }

  private int networkRows(int node) {
    return context.protocol.entry(place.onRail(node)).networkChunkRows;
  }

  private long chunk(int node, int index) {
    int rows = networkRows(node);
    long at = index / rows * (long) rows * (rowBytes + weightBytes);
    return context.layout.nodes.chunks(place.node(), node) + at;
  }

  private long weights(int node, int token) {
    int index = handle.nodes.index(node, token);
    int rows = networkRows(node);
    int inChunk = Math.min(rows, handle.nodes.numRows(node) - index / rows * rows);
    return chunk(node, index) + inChunk * rowBytes + index % rows * weightBytes;
  }

  /// Forgets the call, so that nothing of the caller's is kept alive.
  void clear() {
    for (Scratch own : scratch) {
      own.rows.forget();
    }
    call = null;
    handle = null;
    source = null;
    out = null;
    outWeights = null;
    bias0 = null;
    bias1 = null;
  }
}
