package io.crossdock.cli;

import io.crossdock.core.DType;
import io.crossdock.core.Device;
import io.crossdock.core.EngineMemory;
import io.crossdock.core.EpBuffer;
import io.crossdock.core.LowLatencyCombineOptions;
import io.crossdock.core.LowLatencyCombineResult;
import io.crossdock.core.LowLatencyDispatchOptions;
import io.crossdock.core.LowLatencyDispatchResult;
import io.crossdock.core.RecvHook;
import io.crossdock.core.StandInWork;
import io.crossdock.core.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.SegmentAllocator;
import java.util.List;

/// The two micro-batches of one rank. On a GPU they are enqueued on the current stream, and each
/// rank computes on its share of the multiprocessors.
///
/// Confined to one thread.
final class OverlapRun implements AutoCloseable {
  private static final String ATTENTION = "attention";
  private static final String EXPERTS = "experts";
  private static final int MOST_STAGES = 12;

  private final LowLatencyOverlapTask task;
  private final EpBuffer buffer;
  private final StartLine line;
  private final StageClock clock;
  private final Tensor x;
  private final Tensor topkIdx;
  private final Tensor topkWeights;
  private final Tensor y;
  private final Tensor[] homes = new Tensor[2];
  private final long[] steps = new long[2];

  /// Whether receive halves are put off.
  ///
  /// Safe for any thread.
  enum Hooks {
    /// Each call does both halves.
    NONE,
    /// The receive half runs when the other batch has computed.
    USED
  }

  OverlapRun(LowLatencyOverlapTask task, EpBuffer buffer, Arena arena) {
    this.task = task;
    this.buffer = buffer;
    this.line = new StartLine(buffer.group());
    EngineMemory engine = buffer.memory();
    BenchTask base = task.calls().base();
    BenchInputs inputs = BenchInputs.make(base, buffer.group().rank(), base.tokens(), arena);
    x = engine.toDevice(inputs.x());
    topkIdx = engine.toDevice(inputs.topkIdx());
    topkWeights = engine.toDevice(inputs.topkWeights());
    long rows = (long) base.tokens() * buffer.group().size();
    long local = base.experts() / buffer.group().size();
    SegmentAllocator memory = new EngineTensors(engine).allocator(arena);
    y = Tensor.allocate(memory, DType.BF16, local, rows, base.hidden());
    for (int batch = 0; batch < homes.length; batch++) {
      homes[batch] = Tensor.allocate(memory, DType.BF16, base.tokens(), base.hidden());
    }
    clock =
        engine.device().equals(Device.HOST)
            ? new HostStages(line)
            : new StreamStages(buffer, MOST_STAGES);
    // No rank allocates beside a kernel of another that waits for it.
    buffer.group().barrier();
    long micros = task.computeMicros();
    long even =
        micros > 0 ? StandInWork.stepsOf(buffer, StandInWork.Extent.RANK, micros * 1000) : 0;
    for (int batch = 0; batch < steps.length; batch++) {
      int percent = task.percentOf(buffer.group().rank(), batch);
      steps[batch] = even == 0 ? 0 : Math.max(1, even * percent / 100);
    }
  }

  void warmUp() {
    new WarmUp(line, task.calls().base().iterations())
        .run(() -> {
          iterate(Hooks.NONE);
          iterate(Hooks.USED);
        });
  }

  /// Runs both batches once, all ranks from a common start.
  void iterate(Hooks hooks) {
    clock.start();
    if (hooks == Hooks.NONE) {
      oneAfterTheOther();
    } else {
      overlapped();
    }
    clock.spans();
  }

  private void oneAfterTheOther() {
    LowLatencyDispatchOptions dispatch = dispatchOptions();
    for (int batch = 0; batch < 2; batch++) {
      int mine = batch;
      compute(ATTENTION, batch);
      try (LowLatencyDispatchResult got = dispatched("dispatch", batch, dispatch)) {
        compute(EXPERTS, batch);
        timed("combine", batch, () -> combine(got, combineOptions(mine)));
        got.handle().close();
      }
    }
  }

  /// The receive half of a batch comes after a stage of computing of the other.
  private void overlapped() {
    LowLatencyDispatchOptions dispatch = dispatchOptions().hooked();
    compute(ATTENTION, 0);
    try (LowLatencyDispatchResult first = dispatched("dispatch send", 0, dispatch)) {
      compute(ATTENTION, 1);
      receive("dispatch receive", 0, first.recvHook().orElseThrow());
      try (LowLatencyDispatchResult second = dispatched("dispatch send", 1, dispatch)) {
        compute(EXPERTS, 0);
        receive("dispatch receive", 1, second.recvHook().orElseThrow());
        RecvHook firstHome = sentHome(first, 0);
        compute(EXPERTS, 1);
        receive("combine receive", 0, firstHome);
        RecvHook secondHome = sentHome(second, 1);
        receive("combine receive", 1, secondHome);
        first.handle().close();
        second.handle().close();
      }
    }
  }

  private LowLatencyDispatchOptions dispatchOptions() {
    return task.calls().dispatchOptions(buffer.group().size());
  }

  private LowLatencyCombineOptions combineOptions(int batch) {
    return task.calls().combineOptions(buffer.group().size()).withOut(homes[batch]);
  }

  private LowLatencyDispatchResult dispatched(
      String name, int batch, LowLatencyDispatchOptions options) {
    int experts = task.calls().base().experts();
    int tokens = task.calls().base().tokens();
    LowLatencyDispatchResult got = buffer.lowLatencyDispatch(x, topkIdx, tokens, experts, options);
    clock.end(name, batch);
    return got;
  }

  private RecvHook sentHome(LowLatencyDispatchResult got, int batch) {
    RecvHook hook = combine(got, combineOptions(batch).hooked()).recvHook().orElseThrow();
    clock.end("combine send", batch);
    return hook;
  }

  private LowLatencyCombineResult combine(
      LowLatencyDispatchResult got, LowLatencyCombineOptions options) {
    return buffer.lowLatencyCombine(y, topkIdx, topkWeights, got.handle(), options);
  }

  private void receive(String name, int batch, RecvHook hook) {
    timed(name, batch, hook);
  }

  private void compute(String name, int batch) {
    timed(name, batch, () -> StandInWork.run(buffer, StandInWork.Extent.RANK, steps[batch]));
  }

  private void timed(String name, int batch, Runnable stage) {
    stage.run();
    clock.end(name, batch);
  }

  /// Writes down the last iteration.
  void record(LowLatencyOverlapTask.Variant variant, int iteration) {
    List<LowLatencyOverlapTask.Span> spans = clock.spans();
    double computing = 0;
    for (LowLatencyOverlapTask.Span span : spans) {
      boolean computes = span.name().equals(ATTENTION) || span.name().equals(EXPERTS);
      computing += computes ? span.micros() : 0;
    }
    LowLatencyOverlapTask.Span last = spans.getLast();
    variant.totalMicros()[iteration] = last.startMicros() + last.micros();
    variant.computeMicros()[iteration] = computing;
    variant.trace().clear();
    variant.trace().addAll(spans);
  }

  @Override
  public void close() {
    clock.close();
  }
}
