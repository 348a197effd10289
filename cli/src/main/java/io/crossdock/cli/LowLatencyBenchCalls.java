package io.crossdock.cli;

import io.crossdock.core.DType;
import io.crossdock.core.Device;
import io.crossdock.core.EngineMemory;
import io.crossdock.core.EpBuffer;
import io.crossdock.core.LowLatencyCombineOptions;
import io.crossdock.core.LowLatencyCombineResult;
import io.crossdock.core.LowLatencyDispatchOptions;
import io.crossdock.core.LowLatencyDispatchResult;
import io.crossdock.core.LowLatencyFormat;
import io.crossdock.core.Tensor;
import io.crossdock.core.format.Fp8Groups;
import io.crossdock.core.routing.LowLatencySpec;
import io.crossdock.core.routing.LowLatencyTraffic;
import io.crossdock.core.routing.Topology;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SegmentAllocator;

/// The calls of a low-latency benchmark on one rank at one size, with tensors where the engine
/// wants them.
///
/// Confined to the thread that uses the buffer.
final class LowLatencyBenchCalls {
  final EpBuffer buffer;
  final LowLatencyBenchTask.Moved moved;
  private final LowLatencyBenchTask task;
  private final int tokens;
  private final BenchInputs inputs;
  private final Tensor x;
  private final Tensor topkIdx;
  private final Tensor topkWeights;
  private final Tensor y;
  private final Tensor home;

  /// Memory that all sizes use in turn.
  ///
  /// Confined to one thread.
  ///
  /// @param outputs of the experts
  /// @param workers that a call at the largest size used
  record Memory(MemorySegment outputs, int workers) {}

  /// {@return memory for the largest size}
  static Memory allocate(LowLatencyBenchTask task, EpBuffer buffer, Arena arena) {
    BenchTask base = task.base();
    long rows = (long) base.experts() * base.tokens();
    SegmentAllocator memory = new EngineTensors(buffer.memory()).allocator(arena);
    Tensor outputs = Tensor.allocate(memory, DType.BF16, rows, base.hidden());
    LowLatencyBenchCalls largest =
        new LowLatencyBenchCalls(
            task, base.tokens(), buffer, new Memory(outputs.segment(), 0), arena);
    try (LowLatencyDispatchResult _ = largest.dispatch(largest.dispatchOptions())) {
      return new Memory(outputs.segment(), Math.max(1, buffer.lastCall().numWorkers()));
    }
  }

  /// Makes tensors and fills the expert outputs, which are the same in every iteration; collective.
  LowLatencyBenchCalls(
      LowLatencyBenchTask task, int tokens, EpBuffer buffer, Memory memory, Arena arena) {
    this.task = task;
    this.tokens = tokens;
    this.buffer = buffer;
    BenchTask base = task.base();
    EngineMemory engine = buffer.memory();
    inputs = BenchInputs.make(base, buffer.group().rank(), tokens, arena);
    x = engine.toDevice(inputs.x());
    topkIdx = engine.toDevice(inputs.topkIdx());
    topkWeights = engine.toDevice(inputs.topkWeights());
    long local = base.experts() / buffer.group().size();
    long rows = (long) tokens * buffer.group().size();
    y = Tensor.of(engine.device(), memory.outputs, DType.BF16, local, rows, base.hidden());
    SegmentAllocator allocator = new EngineTensors(engine).allocator(arena);
    home = Tensor.allocate(allocator, DType.BF16, tokens, base.hidden());
    if (!onHost()) {
      fill(y);
    }
    // No rank allocates or copies beside a kernel of another that waits for it.
    buffer.group().barrier();
    moved = callOnce();
  }

  boolean onHost() {
    return buffer.memory().device().equals(Device.HOST);
  }

  LowLatencyBenchTask task() {
    return task;
  }

  /// {@return options of a dispatch without a hook}
  LowLatencyDispatchOptions dispatchOptions() {
    return task.dispatchOptions(buffer.group().size());
  }

  /// {@return options of a combine without a hook}
  LowLatencyCombineOptions combineOptions() {
    return task.combineOptions(buffer.group().size()).withOut(home);
  }

  LowLatencyDispatchResult dispatch(LowLatencyDispatchOptions options) {
    return buffer.lowLatencyDispatch(x, topkIdx, tokens, task.base().experts(), options);
  }

  /// {@return where the expert outputs of a dispatch lie}
  Tensor outputs(LowLatencyDispatchResult got) {
    return task.zeroCopy() ? buffer.nextCombineBuffer(got.handle()) : y;
  }

  LowLatencyCombineResult combine(LowLatencyDispatchResult got, LowLatencyCombineOptions options) {
    return combine(got, outputs(got), options);
  }

  /// @param outputs of the dispatch, as [#outputs] returned them
  LowLatencyCombineResult combine(
      LowLatencyDispatchResult got, Tensor outputs, LowLatencyCombineOptions options) {
    return buffer.lowLatencyCombine(
        outputs,
        topkIdx,
        topkWeights,
        got.handle(),
        task.zeroCopy() ? options.zeroCopy() : options);
  }

  private LowLatencyBenchTask.Moved callOnce() {
    if (onHost()) {
      return callOnHost();
    }
    try (LowLatencyDispatchResult first = dispatch(dispatchOptions());
        LowLatencyDispatchResult second = dispatch(dispatchOptions())) {
      if (task.zeroCopy()) {
        fill(buffer.nextCombineBuffer(first.handle()));
        fill(buffer.nextCombineBuffer(second.handle()));
      }
      buffer.group().barrier();
      combine(first, combineOptions());
    }
    return counted();
  }

  private LowLatencyBenchTask.Moved callOnHost() {
    try (LowLatencyDispatchResult got = dispatch(dispatchOptions())) {
      long sent = buffer.lastCall().bytesWritten();
      long wire = buffer.lastCall().wireBytes();
      LowLatencyRows rows = new LowLatencyRows(buffer, got);
      new LowLatencyExperts(ReplayTask.Expert.identity, buffer).run(rows, outputs(got));
      combine(got, combineOptions());
      return new LowLatencyBenchTask.Moved(
          traffic().selections(),
          sent,
          wire,
          buffer.lastCall().bytesWritten(),
          buffer.lastCall().wireBytes(),
          0);
    }
  }

  /// {@return what this rank sends to nodes: one row for each selection}
  NetworkRun.Loads loads() {
    int local = buffer.group().localSize();
    int home = buffer.group().rank() / local;
    long farRows = 0;
    for (long expert : inputs.routing().topkIdx()) {
      farRows += expert >= 0 && topology().nodeOf(topology().rankOf(expert)) != home ? 1 : 0;
    }
    int farRanks = buffer.group().size() - local;
    int hidden = task.base().hidden();
    LowLatencyFormat format = task.format();
    return new NetworkRun.Loads(
        moved.selections(),
        farRows,
        dispatchRowBytes(format, hidden),
        LowLatencyTraffic.combineBytes(task.combineFormat(), hidden),
        Math.toIntExact(Math.max(1, farRows / farRanks)));
  }

  /// {@return bytes that a dispatch and its combine hand to the network}
  NetworkRun.Sent callForNetwork() {
    try (LowLatencyDispatchResult got = dispatch(dispatchOptions())) {
      long there = buffer.lastCall().networkBytes();
      combine(got, combineOptions());
      return new NetworkRun.Sent(there, buffer.lastCall().networkBytes());
    }
  }

  private Topology topology() {
    return new Topology(buffer.group().size(), buffer.group().localSize(), task.base().experts());
  }

  private static long dispatchRowBytes(LowLatencyFormat format, int hidden) {
    long scaleBytes = format.isFp8() ? 4L * (hidden / Fp8Groups.CHANNELS) : 0;
    return (long) hidden * format.rowType().bytes() + scaleBytes;
  }

  private LowLatencyTraffic traffic() {
    return LowLatencyTraffic.of(
        buffer.group().rank(),
        inputs.reference(),
        LowLatencySpec.of(topology(), tokens, task.format()));
  }

  /// What calls move whose choices only a GPU knows.
  private LowLatencyBenchTask.Moved counted() {
    int hidden = task.base().hidden();
    long there = dispatchRowBytes(task.format(), hidden);
    long back = LowLatencyTraffic.combineBytes(task.combineFormat(), hidden);
    LowLatencyTraffic traffic = traffic();
    return new LowLatencyBenchTask.Moved(
        traffic.selections(),
        traffic.selections() * there,
        traffic.remote() * there,
        traffic.selections() * back,
        traffic.remote() * back,
        2L * tokens * hidden);
  }

  /// Fills outputs on a GPU with the rows of the inputs, again and again.
  private void fill(Tensor outputs) {
    long hidden = outputs.size(2);
    long rows = outputs.size(0) * outputs.size(1);
    for (long row = 0; row < rows; row += tokens) {
      long at = outputs.segment().address() + row * outputs.rowBytes();
      long count = Math.min(tokens, rows - row);
      Tensor part =
          Tensor.of(outputs.device(), MemorySegment.ofAddress(at), DType.BF16, count, hidden);
      buffer.memory().copy(x.firstRows(count), part);
    }
  }
}
