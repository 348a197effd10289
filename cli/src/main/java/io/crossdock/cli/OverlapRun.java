package io.crossdock.cli;

import io.crossdock.core.DType;
import io.crossdock.core.EpBuffer;
import io.crossdock.core.LowLatencyCombineOptions;
import io.crossdock.core.LowLatencyCombineResult;
import io.crossdock.core.LowLatencyDispatchOptions;
import io.crossdock.core.LowLatencyDispatchResult;
import io.crossdock.core.RecvHook;
import io.crossdock.core.Tensor;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.List;

/// The two micro-batches of one rank.
///
/// Confined to one thread.
final class OverlapRun {
  private static final int MAX_WARM_UPS = 300;
  private static final int MIN_WARM_UPS = 10;
  private static final long MAX_WARM_UP_NANOS = 8_000_000_000L;

  private static final String ATTENTION = "attention";
  private static final String EXPERTS = "experts";

  private final LowLatencyOverlapTask task;
  private final EpBuffer buffer;
  private final StartLine line;
  private final BenchInputs inputs;
  private final Tensor y;
  private final Tensor[] homes = new Tensor[2];
  private final long[] steps = new long[2];
  private List<LowLatencyOverlapTask.Span> spans = new ArrayList<>();
  private long start;
  private long end;

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
    BenchTask base = task.calls().base();
    this.inputs = BenchInputs.make(base, buffer.group().rank(), base.tokens(), arena);
    long rows = (long) base.tokens() * buffer.group().size();
    long local = base.experts() / buffer.group().size();
    this.y = Tensor.allocate(arena, DType.BF16, local, rows, base.hidden());
    long even = BusyWork.stepsOf(task.computeMicros() * 1000);
    for (int batch = 0; batch < homes.length; batch++) {
      steps[batch] = Math.max(1, even * task.percentOf(buffer.group().rank(), batch) / 100);
      homes[batch] = Tensor.allocate(arena, DType.BF16, base.tokens(), base.hidden());
    }
  }

  /// The compiler needs many rounds; the first rank that has had enough decides.
  void warmUp() {
    long began = System.nanoTime();
    boolean more = true;
    for (int round = 0; more; round++) {
      iterate(Hooks.NONE);
      iterate(Hooks.USED);
      boolean enough =
          round >= MAX_WARM_UPS
              || (round >= MIN_WARM_UPS && System.nanoTime() - began > MAX_WARM_UP_NANOS);
      more = line.agree(enough ? 1 : 0) == 0;
    }
  }

  /// Runs both batches once, all ranks from a common start.
  void iterate(Hooks hooks) {
    spans = new ArrayList<>();
    start = line.await();
    if (hooks == Hooks.NONE) {
      oneAfterTheOther();
    } else {
      overlapped();
    }
    end = System.nanoTime();
  }

  private void oneAfterTheOther() {
    LowLatencyDispatchOptions dispatch = dispatchOptions();
    for (int batch = 0; batch < 2; batch++) {
      int mine = batch;
      compute(ATTENTION, batch);
      try (LowLatencyDispatchResult got = dispatched("dispatch", batch, dispatch)) {
        compute(EXPERTS, batch);
        timed("combine", batch, () -> combine(got, mine, combineOptions(mine)));
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
      }
    }
  }

  private LowLatencyDispatchOptions dispatchOptions() {
    return LowLatencyDispatchOptions.DEFAULT.withFormat(task.calls().format());
  }

  private LowLatencyCombineOptions combineOptions(int batch) {
    return LowLatencyCombineOptions.DEFAULT
        .withFormat(task.calls().combineFormat())
        .withOut(homes[batch]);
  }

  private LowLatencyDispatchResult dispatched(
      String name, int batch, LowLatencyDispatchOptions options) {
    long began = System.nanoTime();
    int experts = task.calls().base().experts();
    int tokens = task.calls().base().tokens();
    LowLatencyDispatchResult got =
        buffer.lowLatencyDispatch(inputs.x(), inputs.topkIdx(), tokens, experts, options);
    add(name, batch, began);
    return got;
  }

  private RecvHook sentHome(LowLatencyDispatchResult got, int batch) {
    long began = System.nanoTime();
    RecvHook hook = combine(got, batch, combineOptions(batch).hooked()).recvHook().orElseThrow();
    add("combine send", batch, began);
    return hook;
  }

  private LowLatencyCombineResult combine(
      LowLatencyDispatchResult got, int batch, LowLatencyCombineOptions options) {
    return buffer.lowLatencyCombine(
        y, inputs.topkIdx(), inputs.topkWeights(), got.handle(), options.withOut(homes[batch]));
  }

  private void receive(String name, int batch, RecvHook hook) {
    timed(name, batch, hook);
  }

  private void compute(String name, int batch) {
    timed(name, batch, () -> BusyWork.compute(steps[batch]));
  }

  private void timed(String name, int batch, Runnable stage) {
    long began = System.nanoTime();
    stage.run();
    add(name, batch, began);
  }

  private void add(String name, int batch, long began) {
    double micros = (System.nanoTime() - began) / 1e3;
    spans.add(new LowLatencyOverlapTask.Span(name, batch, (began - start) / 1e3, micros));
  }

  /// Writes down the last iteration.
  void record(LowLatencyOverlapTask.Variant variant, int iteration) {
    double computing = 0;
    for (LowLatencyOverlapTask.Span span : spans) {
      boolean computes = span.name().equals(ATTENTION) || span.name().equals(EXPERTS);
      computing += computes ? span.micros() : 0;
    }
    variant.totalMicros()[iteration] = (end - start) / 1e3;
    variant.computeMicros()[iteration] = computing;
    variant.trace().clear();
    variant.trace().addAll(spans);
  }
}
