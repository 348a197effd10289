package io.crossdock.cli;

import io.crossdock.core.EpBuffer;
import io.crossdock.core.LowLatencyCombineResult;
import io.crossdock.core.LowLatencyDispatchResult;
import io.crossdock.core.RecvHook;
import java.lang.foreign.Arena;
import java.util.Map;

/// The timed part of a low-latency benchmark on one rank and at one size: all phases once an
/// iteration, in turn. Each phase starts on all ranks at the same instant.
///
/// Confined to one thread.
final class LowLatencyBenchRun implements AutoCloseable {
  /// How late the last rank enters, once an iteration, if halves are timed apart.
  static final long LATE_NANOS = 5_000_000;

  private final LowLatencyBenchTask task;
  private final int tokens;
  private final EpBuffer buffer;
  private final Arena arena = Arena.ofShared();
  private final LowLatencyBenchCalls calls;
  private final StartLine line;
  private final PhaseClock clock;
  private final CopyProbe copies;
  private final LowLatencyBenchTask.Moved moved;

  /// Null on one node.
  private final NetworkRun network;

  LowLatencyBenchRun(
      LowLatencyBenchTask task, int tokens, EpBuffer buffer, LowLatencyBenchCalls.Memory memory) {
    this.task = task;
    this.tokens = tokens;
    this.buffer = buffer;
    this.calls = new LowLatencyBenchCalls(task, tokens, buffer, memory, arena);
    this.line = new StartLine(buffer.group());
    this.moved = calls.moved;
    this.network =
        NetworkRun.numNodes(buffer) == 1
            ? null
            : new NetworkRun(buffer, calls.loads(), task.base().iterations());
    this.clock = new PhaseClock(buffer);
    long most = Math.max(moved.dispatchBytes(), moved.combineBytes());
    this.copies = new CopyProbe(arena, most, memory.workers());
  }

  void warmUp() {
    Map<LowLatencyPhase, double[]> ignored = LowLatencyBenchTask.Size.times(1);
    new WarmUp(line, task.base().iterations()).run(() -> iterate(ignored, 0));
  }

  /// {@return what was timed}
  ///
  /// @param checkedBytes before
  LowLatencyBenchTask.Size measure(long checkedBytes) {
    warmUp();
    int iterations = task.base().iterations();
    Map<LowLatencyPhase, double[]> times = LowLatencyBenchTask.Size.times(iterations);
    for (int i = 0; i < iterations; i++) {
      if (network != null) {
        network.before(i);
      }
      iterate(times, i);
    }
    return new LowLatencyBenchTask.Size(
        tokens,
        moved,
        checkedBytes,
        times,
        network == null ? null : network.count(calls::callForNetwork));
  }

  private void iterate(Map<LowLatencyPhase, double[]> times, int i) {
    if (task.hook()) {
      hooked(times, i);
      late(times, i);
    } else {
      synchronous(times, i);
    }
    times.get(LowLatencyPhase.COPY_DISPATCH)[i] = copies.micros(moved.dispatchBytes(), line);
    times.get(LowLatencyPhase.COPY_COMBINE)[i] = copies.micros(moved.combineBytes(), line);
  }

  private void synchronous(Map<LowLatencyPhase, double[]> times, int i) {
    clock.start(line);
    try (LowLatencyDispatchResult got = calls.dispatch(calls.dispatchOptions())) {
      times.get(LowLatencyPhase.DISPATCH)[i] = clock.stop();
      clock.start(line);
      calls.combine(got, calls.combineOptions());
      times.get(LowLatencyPhase.COMBINE)[i] = clock.stop();
    }
  }

  private void hooked(Map<LowLatencyPhase, double[]> times, int i) {
    clock.start(line);
    long called = System.nanoTime();
    try (LowLatencyDispatchResult got = calls.dispatch(calls.dispatchOptions().hooked())) {
      long sent = System.nanoTime();
      got.recvHook().ifPresent(RecvHook::run);
      times.get(LowLatencyPhase.DISPATCH)[i] = clock.stop();
      times.get(LowLatencyPhase.DISPATCH_SEND)[i] = (sent - called) / 1e3;
      times.get(LowLatencyPhase.DISPATCH_RECEIVE)[i] = (System.nanoTime() - sent) / 1e3;
      clock.start(line);
      called = System.nanoTime();
      LowLatencyCombineResult sums = calls.combine(got, calls.combineOptions().hooked());
      sent = System.nanoTime();
      sums.recvHook().ifPresent(RecvHook::run);
      times.get(LowLatencyPhase.COMBINE)[i] = clock.stop();
      times.get(LowLatencyPhase.COMBINE_SEND)[i] = (sent - called) / 1e3;
      times.get(LowLatencyPhase.COMBINE_RECEIVE)[i] = (System.nanoTime() - sent) / 1e3;
    }
  }

  /// The same with the last rank busy before each call.
  private void late(Map<LowLatencyPhase, double[]> times, int i) {
    long called = awaitOrStayBusy();
    try (LowLatencyDispatchResult got = calls.dispatch(calls.dispatchOptions().hooked())) {
      times.get(LowLatencyPhase.DISPATCH_SEND_LATE)[i] = (System.nanoTime() - called) / 1e3;
      got.recvHook().ifPresent(RecvHook::run);
      called = awaitOrStayBusy();
      LowLatencyCombineResult sums = calls.combine(got, calls.combineOptions().hooked());
      times.get(LowLatencyPhase.COMBINE_SEND_LATE)[i] = (System.nanoTime() - called) / 1e3;
      sums.recvHook().ifPresent(RecvHook::run);
    }
  }

  private long awaitOrStayBusy() {
    line.await();
    if (buffer.group().rank() == buffer.group().size() - 1) {
      BusyWork.spend(LATE_NANOS);
    }
    return System.nanoTime();
  }

  @Override
  public void close() {
    copies.close();
    clock.close();
    arena.close();
  }
}
