package io.crossdock.cli;

import io.crossdock.core.CallTimer;
import io.crossdock.core.CombineBuffer;
import io.crossdock.core.CombineInput;
import io.crossdock.core.CombineOptions;
import io.crossdock.core.DType;
import io.crossdock.core.DispatchHandle;
import io.crossdock.core.DispatchInput;
import io.crossdock.core.DispatchOptions;
import io.crossdock.core.DispatchResult;
import io.crossdock.core.EngineMemory;
import io.crossdock.core.EpBuffer;
import io.crossdock.core.Placement;
import io.crossdock.core.RecordedCalls;
import io.crossdock.core.Tensor;
import java.util.EnumMap;
import java.util.Map;
import java.util.Optional;

/// The timed part of a benchmark on one rank of a GPU engine: all phases once an iteration, in
/// turn, on a stream of the rank's own. Before each phase the streams of all ranks meet on the GPU;
/// events on the stream are the clock. The host runs ahead, except where a fresh dispatch waits for
/// its counts.
///
/// Confined to one thread.
final class DeviceRun implements AutoCloseable {
  private static final int WARM_UPS = 20;

  /// How many times the cache is written over.
  private static final int FLUSH_FACTOR = 2;

  private final BenchSetup setup;
  private final EpBuffer buffer;
  private final EngineMemory memory;
  private final DispatchInput rowsOnly;
  private final Map<BenchPhase, CallTimer> timers = new EnumMap<>(BenchPhase.class);
  private final CopyPair dispatchCopy;
  private final CopyPair combineCopy;
  private final Optional<CopyPair> flush;
  private final ReusedMemory owned;

  /// Two pieces of memory, one copied to the other.
  private record CopyPair(Tensor from, Tensor to) {}

  /// @param setup what the calls need
  /// @param cacheBytes of the GPU
  DeviceRun(BenchSetup setup, long cacheBytes) {
    this.setup = setup;
    this.buffer = setup.buffer;
    this.memory = buffer.memory();
    DispatchInput all = setup.input;
    this.rowsOnly = new DispatchInput(all.x(), all.scales(), Optional.empty(), Optional.empty());
    // A copy reads and writes each byte; a call reads and writes rows.sent + tokens rows.
    long movedRows = setup.rows.sent() + setup.task.tokens();
    long dispatchBytes = movedRows * setup.rows.rowBytes() / 2;
    long combineBytes = movedRows * setup.homeRowBytes() / 2;
    CopyPair largest = allocate(Math.max(dispatchBytes, combineBytes));
    this.dispatchCopy = part(largest, dispatchBytes);
    this.combineCopy = part(largest, combineBytes);
    this.flush =
        setup.task.gpu().l2() == BenchTask.Cache.flushed
            ? Optional.of(allocate(Math.max(1, FLUSH_FACTOR * cacheBytes)))
            : Optional.empty();
    this.owned = new ReusedMemory(memory, setup.rows.received() * setup.rows.rowBytes());
  }

  private CopyPair allocate(long bytes) {
    return new CopyPair(
        Tensor.allocate(memory.allocator(), DType.U8, bytes),
        Tensor.allocate(memory.allocator(), DType.U8, bytes));
  }

  private static CopyPair part(CopyPair whole, long bytes) {
    return new CopyPair(whole.from.firstRows(bytes), whole.to.firstRows(bytes));
  }

  BenchTask.Times measure() {
    Map<BenchPhase, double[]> micros = new EnumMap<>(BenchPhase.class);
    buffer.onOwnStream(() -> {
      DispatchHandle handle;
      try (DispatchResult first = buffer.dispatch(setup.input, setup.layout)) {
        handle = first.handle();
      }
      repeat(micros, () -> iterate(handle));
      if (setup.task.gpu().graph() == BenchTask.Graph.replayed) {
        replay(micros, handle);
      }
      handle.close();
    });
    return new BenchTask.Times(micros);
  }

  /// Runs an iteration often; its timers are read when it is over.
  private void repeat(Map<BenchPhase, double[]> micros, Runnable iteration) {
    for (int i = -WARM_UPS; i < setup.task.iterations(); i++) {
      // Long enough for the host to run ahead of the GPU from here on.
      copy(dispatchCopy);
      iteration.run();
      int index = i;
      timers.forEach((phase, timer) -> {
        double value = timer.micros();
        if (index >= 0) {
          micros.computeIfAbsent(phase, any -> new double[setup.task.iterations()])[index] = value;
        }
      });
      buffer.check();
    }
    closeTimers();
  }

  /// Copies lie between the phases, so that theirs are no warmer caches than the engine's.
  private void iterate(DispatchHandle handle) {
    timed(BenchPhase.COPY_DISPATCH, () -> copy(dispatchCopy));
    dispatchCached(handle, BenchPhase.DISPATCH_CACHED_BORROWED, Placement.BORROWED);
    combine(handle);
    owned.reset();
    dispatchCached(handle, BenchPhase.DISPATCH_CACHED_OWNED, Placement.owned(owned));
    timed(BenchPhase.COPY_COMBINE, () -> copy(combineCopy));
    CallTimer timer = start(BenchPhase.DISPATCH_WITH_LAYOUT);
    buffer.layoutInto(setup.topkIdx, setup.otherLayout);
    try (DispatchResult result = buffer.dispatch(setup.input, setup.otherLayout)) {
      timer.stop();
      result.handle().close();
    }
    DispatchOptions options = DispatchOptions.DEFAULT;
    timed(
        BenchPhase.DISPATCH_OWNED,
        () -> buffer.dispatchInto(setup.input, setup.layout, options, setup.outputs));
  }

  private void dispatchCached(DispatchHandle handle, BenchPhase phase, Placement placement) {
    DispatchOptions options = DispatchOptions.DEFAULT.withPlacement(placement);
    CallTimer timer = start(phase);
    try (DispatchResult _ = buffer.dispatch(rowsOnly, handle, options)) {
      timer.stop();
    }
  }

  private void combine(DispatchHandle handle) {
    try (CombineBuffer place = buffer.combineBuffer(handle)) {
      timed(BenchPhase.COMBINE_ZERO_COPY, () -> combine(place.tensor(), handle));
    }
    timed(BenchPhase.COMBINE_STAGED, () -> combine(setup.staged, handle));
  }

  private void combine(Tensor rows, DispatchHandle handle) {
    buffer.combineInto(CombineInput.of(rows), handle, CombineOptions.DEFAULT, setup.home, null);
  }

  /// The result that the recorded dispatch fills is kept as long as it is replayed.
  private void replay(Map<BenchPhase, double[]> micros, DispatchHandle handle) {
    DispatchResult[] kept = new DispatchResult[1];
    try (RecordedCalls dispatch =
            buffer.record(
                () -> kept[0] = buffer.dispatch(rowsOnly, handle, DispatchOptions.DEFAULT));
        RecordedCalls combine = buffer.record(() -> combine(setup.staged, handle));
        DispatchResult _ = kept[0]) {
      repeat(
          micros,
          () -> {
            timed(BenchPhase.DISPATCH_RECORDED, dispatch::replay);
            timed(BenchPhase.COMBINE_RECORDED, combine::replay);
          });
    }
  }

  private void timed(BenchPhase phase, Runnable call) {
    CallTimer timer = start(phase);
    call.run();
    timer.stop();
  }

  /// Lets the ranks start together; nothing before the start is timed.
  private CallTimer start(BenchPhase phase) {
    flush.ifPresent(this::copy);
    buffer.barrier();
    CallTimer timer = timers.computeIfAbsent(phase, any -> buffer.timer());
    timer.start();
    return timer;
  }

  private void copy(CopyPair pair) {
    memory.copy(pair.from, pair.to);
  }

  private void closeTimers() {
    timers.values().forEach(CallTimer::close);
    timers.clear();
  }

  @Override
  public void close() {
    closeTimers();
  }
}
