package io.crossdock.cli;

import io.crossdock.core.CombineBuffer;
import io.crossdock.core.CombineInput;
import io.crossdock.core.CombineOptions;
import io.crossdock.core.DType;
import io.crossdock.core.DispatchHandle;
import io.crossdock.core.DispatchInput;
import io.crossdock.core.DispatchOptions;
import io.crossdock.core.DispatchOutputs;
import io.crossdock.core.DispatchResult;
import io.crossdock.core.EpBuffer;
import io.crossdock.core.Layout;
import io.crossdock.core.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.SegmentAllocator;

/// The timed part of a benchmark on one rank: all phases once an iteration, in turn, so that noise
/// hits them alike. Each phase starts on all ranks at the same instant.
///
/// Confined to one thread.
final class BenchRun implements AutoCloseable {
  private static final int MAX_WARM_UPS = 150;
  private static final int MIN_WARM_UPS = 10;
  private static final long MAX_WARM_UP_NANOS = 8_000_000_000L;

  private final BenchTask task;
  private final EpBuffer buffer;
  private final StartLine line;
  private final DispatchInput input;
  private final Tensor topkIdx;
  private final BenchInputs inputs;
  private final Layout layout;
  private final Layout otherLayout;
  private final DispatchOutputs outputs;
  private final Tensor home;
  private final Tensor staged;
  private final PhaseClock clock;
  private final CopyLimit copies;
  private final long sentRows;
  private final long recvRows;
  private final long remoteRows;
  private final int workers;

  BenchRun(BenchTask task, EpBuffer buffer, Arena arena) {
    this.task = task;
    this.buffer = buffer;
    this.line = new StartLine(buffer.group());
    this.inputs = BenchInputs.make(task, buffer.group().rank(), task.tokens(), arena);
    EngineTensors engine = new EngineTensors(buffer.memory());
    SegmentAllocator memory = engine.allocator(arena);
    this.input = engine.input(inputs.dispatchInput());
    this.topkIdx = input.topkIdx().orElseThrow();
    this.layout = buffer.layout(topkIdx, task.experts());
    this.otherLayout = buffer.allocateLayout(memory, task.experts());
    try (DispatchResult first = buffer.dispatch(input, layout)) {
      recvRows = first.numRecvTokens();
      workers = buffer.lastCall().numWorkers();
    }
    long sent = 0;
    for (int rank = 0; rank < buffer.group().size(); rank++) {
      sent += layout.tokensToRank(rank);
    }
    sentRows = sent;
    remoteRows = sent - layout.tokensToRank(buffer.group().rank());
    this.outputs = buffer.allocateOutputs(memory, input, recvRows);
    this.home = Tensor.allocate(memory, DType.BF16, task.tokens(), task.hidden());
    this.staged = Tensor.allocate(memory, DType.BF16, recvRows, task.hidden());
    long copied = sentRows * Math.max(rowBytes(), task.hidden() * 2L);
    this.clock = new PhaseClock(buffer);
    this.copies = CopyLimit.of(buffer, arena, copied, workers);
  }

  private long rowBytes() {
    return inputs.codes().rowBytes() + (inputs.scales() == null ? 0 : inputs.scales().rowBytes());
  }

  BenchTask.Times measure() {
    warmUp();
    BenchTask.Times times = BenchTask.Times.ofSize(task.iterations());
    for (int i = 0; i < task.iterations(); i++) {
      iterate(times, i);
    }
    return times;
  }

  /// The compiler needs many rounds; the first rank that has had enough decides.
  private void warmUp() {
    BenchTask.Times ignored = BenchTask.Times.ofSize(1);
    long start = System.nanoTime();
    boolean more = true;
    for (int round = 0; more; round++) {
      iterate(ignored, 0);
      boolean enough =
          round >= MAX_WARM_UPS
              || (round >= MIN_WARM_UPS && System.nanoTime() - start > MAX_WARM_UP_NANOS);
      more = line.agree(enough ? 1 : 0) == 0;
    }
  }

  /// Copies lie between the phases, so that theirs are no warmer caches than the engine's.
  private void iterate(BenchTask.Times times, int i) {
    DispatchOptions options = DispatchOptions.DEFAULT;
    clock.start(line);
    try (DispatchResult result = buffer.dispatch(input, layout, options)) {
      times.dispatchBorrowed()[i] = clock.stop();
      combine(result.handle(), times, i);
      result.handle().close();
    }
    times.copyDispatch()[i] = copies.micros(sentRows * rowBytes(), line);
    clock.start(line);
    buffer.layoutInto(topkIdx, otherLayout);
    try (DispatchResult result = buffer.dispatch(input, otherLayout, options)) {
      times.layoutDispatch()[i] = clock.stop();
      result.handle().close();
    }
    clock.start(line);
    buffer.dispatchInto(input, layout, options, outputs);
    times.dispatchOwned()[i] = clock.stop();
    times.copyCombine()[i] = copies.micros(sentRows * task.hidden() * 2L, line);
  }

  private void combine(DispatchHandle handle, BenchTask.Times times, int i) {
    CombineOptions options = CombineOptions.DEFAULT;
    try (CombineBuffer place = buffer.combineBuffer(handle)) {
      CombineInput rows = CombineInput.of(place.tensor());
      clock.start(line);
      buffer.combineInto(rows, handle, options, home, null);
      times.combineZeroCopy()[i] = clock.stop();
    }
    CombineInput rows = CombineInput.of(staged);
    clock.start(line);
    buffer.combineInto(rows, handle, options, home, null);
    times.combineStaged()[i] = clock.stop();
  }

  BenchTask.Report report(
      BenchTask.Times times, long checkedBytes, String transport, long windowBytes) {
    return new BenchTask.Report(
        transport,
        windowBytes,
        workers,
        recvRows,
        sentRows,
        remoteRows,
        rowBytes(),
        checkedBytes,
        times);
  }

  @Override
  public void close() {
    copies.close();
    clock.close();
  }
}
