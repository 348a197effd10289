package io.crossdock.cli;

import io.crossdock.core.CombineBuffer;
import io.crossdock.core.CombineInput;
import io.crossdock.core.CombineOptions;
import io.crossdock.core.DispatchHandle;
import io.crossdock.core.DispatchOptions;
import io.crossdock.core.DispatchResult;
import io.crossdock.core.EpBuffer;
import java.lang.foreign.Arena;
import java.util.List;

/// The timed part of a benchmark on one rank of the host engine: all phases once an iteration, in
/// turn, so that noise hits them alike. Each phase starts on all ranks at the same instant.
///
/// Confined to one thread.
final class BenchRun implements AutoCloseable {
  private static final List<BenchPhase> PHASES =
      List.of(
          BenchPhase.DISPATCH_BORROWED,
          BenchPhase.DISPATCH_WITH_LAYOUT,
          BenchPhase.DISPATCH_OWNED,
          BenchPhase.COMBINE_ZERO_COPY,
          BenchPhase.COMBINE_STAGED,
          BenchPhase.COPY_DISPATCH,
          BenchPhase.COPY_COMBINE);

  private final BenchSetup setup;
  private final EpBuffer buffer;
  private final StartLine line;
  private final PhaseClock clock;
  private final CopyProbe copies;
  private final long dispatchedBytes;
  private final long combinedBytes;
  private final DispatchOptions dispatchOptions;
  private final CombineOptions combineOptions;

  /// Null on one node.
  private final NetworkRun network;

  BenchRun(BenchSetup setup, Arena arena) {
    this.setup = setup;
    this.buffer = setup.buffer;
    this.line = new StartLine(buffer.group());
    this.dispatchedBytes = setup.rows.sent() * setup.rows.rowBytes();
    this.combinedBytes = setup.rows.sent() * setup.homeRowBytes();
    this.dispatchOptions = setup.task.dispatchOptions(buffer.group().size());
    this.combineOptions = setup.task.combineOptions(buffer.group().size());
    this.network =
        NetworkRun.numNodes(buffer) == 1
            ? null
            : new NetworkRun(buffer, setup.loads(), setup.task.iterations());
    this.clock = new PhaseClock(buffer);
    this.copies = new CopyProbe(arena, Math.max(dispatchedBytes, combinedBytes), setup.workers);
  }

  BenchTask.Measured measure() {
    BenchTask.Times ignored = BenchTask.Times.of(1, PHASES);
    new WarmUp(line, setup.task.iterations()).run(() -> iterate(ignored, 0));
    BenchTask.Times times = BenchTask.Times.of(setup.task.iterations(), PHASES);
    for (int i = 0; i < setup.task.iterations(); i++) {
      if (network != null) {
        network.before(i);
      }
      iterate(times, i);
    }
    return new BenchTask.Measured(
        times, network == null ? null : network.count(this::callForNetwork));
  }

  private NetworkRun.Sent callForNetwork() {
    try (DispatchResult result = buffer.dispatch(setup.input, setup.layout, dispatchOptions)) {
      long there = buffer.lastCall().networkBytes();
      CombineInput rows = CombineInput.of(setup.staged);
      buffer.combineInto(rows, result.handle(), combineOptions, setup.home, null);
      result.handle().close();
      return new NetworkRun.Sent(there, buffer.lastCall().networkBytes());
    }
  }

  /// Copies lie between the phases, so that theirs are no warmer caches than the engine's.
  private void iterate(BenchTask.Times times, int i) {
    DispatchOptions options = dispatchOptions;
    clock.start(line);
    try (DispatchResult result = buffer.dispatch(setup.input, setup.layout, options)) {
      times.set(BenchPhase.DISPATCH_BORROWED, i, clock.stop());
      combine(result.handle(), times, i);
      result.handle().close();
    }
    times.set(BenchPhase.COPY_DISPATCH, i, copies.micros(dispatchedBytes, line));
    clock.start(line);
    buffer.layoutInto(setup.topkIdx, setup.otherLayout);
    try (DispatchResult result = buffer.dispatch(setup.input, setup.otherLayout, options)) {
      times.set(BenchPhase.DISPATCH_WITH_LAYOUT, i, clock.stop());
      result.handle().close();
    }
    clock.start(line);
    buffer.dispatchInto(setup.input, setup.layout, options, setup.outputs);
    times.set(BenchPhase.DISPATCH_OWNED, i, clock.stop());
    times.set(BenchPhase.COPY_COMBINE, i, copies.micros(combinedBytes, line));
  }

  private void combine(DispatchHandle handle, BenchTask.Times times, int i) {
    CombineOptions options = combineOptions;
    try (CombineBuffer place = buffer.combineBuffer(handle)) {
      CombineInput rows = CombineInput.of(place.tensor());
      clock.start(line);
      buffer.combineInto(rows, handle, options, setup.home, null);
      times.set(BenchPhase.COMBINE_ZERO_COPY, i, clock.stop());
    }
    CombineInput rows = CombineInput.of(setup.staged);
    clock.start(line);
    buffer.combineInto(rows, handle, options, setup.home, null);
    times.set(BenchPhase.COMBINE_STAGED, i, clock.stop());
  }

  @Override
  public void close() {
    copies.close();
    clock.close();
  }
}
