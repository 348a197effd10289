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
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/// The timed part of a benchmark on one rank of a GPU engine: all phases once an iteration, in
/// turn, on a stream of the rank's own. Before each phase the streams of all ranks meet on the GPU;
/// events on the stream are the clock. The host runs ahead, except where a fresh dispatch waits for
/// its counts.
///
/// Confined to one thread.
final class DeviceRun implements AutoCloseable {
  /// The host's part of a call counts too, and the compiler needs many rounds.
  private static final int WARM_UPS = 200;

  private static final List<BenchPhase> PHASES =
      List.of(
          BenchPhase.DISPATCH_CACHED_BORROWED,
          BenchPhase.DISPATCH_CACHED_OWNED,
          BenchPhase.DISPATCH_WITH_LAYOUT,
          BenchPhase.DISPATCH_OWNED,
          BenchPhase.COMBINE_ZERO_COPY,
          BenchPhase.COMBINE_STAGED,
          BenchPhase.COPY_DISPATCH,
          BenchPhase.COPY_COMBINE);

  private static final List<BenchPhase> RECORDED =
      List.of(BenchPhase.DISPATCH_RECORDED, BenchPhase.COMBINE_RECORDED);

  /// Untimed copies before an iteration: the GPU is busy with them until the host has enqueued what
  /// is timed, also where the threads of several ranks take turns in the driver of one GPU.
  private static final int HEAD_START = 16;

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
    List<BenchPhase> phases = new ArrayList<>(PHASES);
    boolean replayed = setup.task.gpu().graph() == BenchTask.Graph.replayed;
    if (replayed) {
      phases.addAll(RECORDED);
    }
    phases.forEach(phase -> timers.put(phase, buffer.timer()));
    BenchTask.Times times = BenchTask.Times.of(setup.task.iterations(), phases);
    buffer.onOwnStream(() -> {
      // Everything is allocated on all ranks before a kernel of any waits for another.
      buffer.group().barrier();
      DispatchHandle handle = dispatchFresh();
      repeat(times, PHASES, () -> iterate(handle));
      if (replayed) {
        replay(times, handle);
      }
      handle.close();
    });
    return times;
  }

  private DispatchHandle dispatchFresh() {
    try (DispatchResult first = buffer.dispatch(setup.input, setup.layout)) {
      return first.handle();
    }
  }

  /// Runs an iteration often; its timers are read when it is over.
  private void repeat(BenchTask.Times times, List<BenchPhase> phases, Runnable iteration) {
    for (int i = -WARM_UPS; i < setup.task.iterations(); i++) {
      for (int ahead = 0; ahead < HEAD_START; ahead++) {
        copy(dispatchCopy);
      }
      iteration.run();
      for (BenchPhase phase : phases) {
        double value = timers.get(phase).micros();
        if (i >= 0) {
          times.set(phase, i, value);
        }
      }
      buffer.check();
    }
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
  private void replay(BenchTask.Times times, DispatchHandle handle) {
    DispatchResult[] kept = new DispatchResult[1];
    buffer.group().barrier();
    try (RecordedCalls dispatch =
            buffer.record(
                () -> kept[0] = buffer.dispatch(rowsOnly, handle, DispatchOptions.DEFAULT));
        RecordedCalls combine = buffer.record(() -> combine(setup.staged, handle));
        DispatchResult _ = kept[0]) {
      repeat(
          times,
          RECORDED,
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
    CallTimer timer = timers.get(phase);
    timer.start();
    return timer;
  }

  private void copy(CopyPair pair) {
    memory.copy(pair.from, pair.to);
  }

  @Override
  public void close() {
    timers.values().forEach(CallTimer::close);
  }
}
