package io.crossdock.cli;

import io.crossdock.core.DType;
import io.crossdock.core.Device;
import io.crossdock.core.DispatchInput;
import io.crossdock.core.DispatchOutputs;
import io.crossdock.core.DispatchResult;
import io.crossdock.core.EpBuffer;
import io.crossdock.core.Layout;
import io.crossdock.core.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SegmentAllocator;
import java.lang.foreign.ValueLayout;

/// What the timed calls of one rank need, where the engine wants it, and how much they move.
///
/// Confined to one thread.
final class BenchSetup {
  final BenchTask task;
  final EpBuffer buffer;
  final DispatchInput input;
  final Tensor topkIdx;
  final Layout layout;
  final Layout otherLayout;
  final DispatchOutputs outputs;

  /// Sums of the combine.
  final Tensor home;

  /// Expert outputs outside the combine buffer.
  final Tensor staged;

  final BenchTask.Rows rows;
  final int workers;

  BenchSetup(BenchTask task, EpBuffer buffer, Arena arena) {
    this.task = task;
    this.buffer = buffer;
    BenchInputs inputs = BenchInputs.make(task, buffer.group().rank(), task.tokens(), arena);
    EngineTensors engine = new EngineTensors(buffer.memory());
    SegmentAllocator memory = engine.allocator(arena);
    this.input = engine.input(inputs.dispatchInput());
    this.topkIdx = input.topkIdx().orElseThrow();
    this.layout = buffer.layout(topkIdx, task.experts());
    this.otherLayout = buffer.allocateLayout(memory, task.experts());
    // No rank allocates beside a kernel of another that waits for it.
    buffer.group().barrier();
    long received;
    try (DispatchResult first = buffer.dispatch(input, layout)) {
      received = first.numRecvTokens();
      workers = buffer.lastCall().numWorkers();
    }
    this.rows = rows(received, inputs);
    this.outputs = buffer.allocateOutputs(memory, input, received);
    this.home = Tensor.allocate(memory, DType.BF16, task.tokens(), task.hidden());
    this.staged = Tensor.allocate(memory, DType.BF16, received, task.hidden());
  }

  private BenchTask.Rows rows(long received, BenchInputs inputs) {
    long sent = 0;
    for (int rank = 0; rank < buffer.group().size(); rank++) {
      sent += layout.tokensToRank(rank);
    }
    long remote = sent - layout.tokensToRank(buffer.group().rank());
    long scaleBytes = inputs.scales() == null ? 0 : inputs.scales().rowBytes();
    return new BenchTask.Rows(received, sent, remote, inputs.codes().rowBytes() + scaleBytes);
  }

  /// {@return what this rank sends to nodes}
  NetworkRun.Loads loads() {
    MemorySegment nodes = layout.tokensPerNode().orElseThrow().segment();
    int numNodes = NetworkRun.numNodes(buffer);
    long all = 0;
    for (int node = 0; node < numNodes; node++) {
      all += nodes.get(ValueLayout.JAVA_INT_UNALIGNED, node * 4L);
    }
    int mine = buffer.group().rank() / buffer.group().localSize();
    long home = nodes.get(ValueLayout.JAVA_INT_UNALIGNED, mine * 4L);
    return new NetworkRun.Loads(
        all, all - home, rows.rowBytes(), homeRowBytes(), task.network().chunkRows());
  }

  boolean isOnHost() {
    return buffer.memory().device().equals(Device.HOST);
  }

  /// {@return bytes of a row that combine reads}
  long homeRowBytes() {
    return task.hidden() * 2L;
  }
}
