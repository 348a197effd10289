package io.crossdock.cli;

import io.crossdock.core.CallTimer;
import io.crossdock.core.DType;
import io.crossdock.core.EpBuffer;
import io.crossdock.core.LowLatencyDispatchResult;
import io.crossdock.core.LowLatencyHandle;
import io.crossdock.core.RecordedCalls;
import io.crossdock.core.RecvHook;
import io.crossdock.core.Tensor;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import java.util.function.Function;

/// The timed part of a low-latency benchmark on one rank of a GPU at one size, on a stream of the
/// rank's own; events on it are the clock. What a model replays is measured as it is replayed:
/// whole calls as the mean of a chain in one graph, which has no gap between them, and halves each
/// apart, so that none waits for a peer. All ranks meet in the graph before a chain and before a
/// half.
///
/// Confined to one thread.
final class LowLatencyDeviceRun implements AutoCloseable {
  /// Calls in a row that are replayed with one launch.
  static final int CHAIN = 20;

  private static final int WARM_UPS = 100;

  /// Halves that run before the ones that are timed, so that the caches hold what a call left.
  private static final int WARM_HALVES = 2;

  /// Untimed copies before a launch: the GPU is busy with them until the host has enqueued what is
  /// timed, also where the threads of several ranks take turns in the driver of one GPU.
  private static final int HEAD_STARTS = 6;

  private static final long HEAD_START_BYTES = 32L << 20;

  /// What is timed in chains.
  private static final List<LowLatencyPhase> CHAINS =
      List.of(LowLatencyPhase.DISPATCH, LowLatencyPhase.COMBINE, LowLatencyPhase.PAIR);

  /// What is timed apart: the halves, and nothing.
  private static final List<LowLatencyPhase> HALVES =
      List.of(
          LowLatencyPhase.DISPATCH_SEND,
          LowLatencyPhase.DISPATCH_RECEIVE,
          LowLatencyPhase.COMBINE_SEND,
          LowLatencyPhase.COMBINE_RECEIVE,
          LowLatencyPhase.NOTHING);

  private final LowLatencyBenchCalls calls;
  private final EpBuffer buffer;
  private final Function<Runnable, RecordedCalls> recorder;
  private final Map<LowLatencyPhase, CallTimer> timers = new EnumMap<>(LowLatencyPhase.class);
  private final CallTimer fence;

  /// Handles of recorded calls, which live as long as the graphs.
  private final List<LowLatencyHandle> kept = new ArrayList<>();

  private final Tensor from;
  private final Tensor to;
  private final Map<LowLatencyPhase, double[]> times;
  private RecordedCalls dispatches;
  private RecordedCalls combines;
  private RecordedCalls pairs;
  private RecordedCalls onePair;
  private RecordedCalls halves;

  /// @param calls at one size
  /// @param recorder of the engine
  LowLatencyDeviceRun(LowLatencyBenchCalls calls, Function<Runnable, RecordedCalls> recorder) {
    this.calls = calls;
    this.buffer = calls.buffer;
    this.recorder = recorder;
    this.times = LowLatencyBenchTask.Size.times(calls.task().base().iterations());
    for (LowLatencyPhase phase : LowLatencyPhase.values()) {
      timers.put(phase, buffer.timer());
    }
    fence = buffer.timer();
    long most = Math.max(copiedBytes(calls.moved.dispatchBytes()), HEAD_START_BYTES);
    most = Math.max(most, copiedBytes(calls.moved.combineBytes()));
    from = Tensor.allocate(buffer.memory().allocator(), DType.U8, most);
    to = Tensor.allocate(buffer.memory().allocator(), DType.U8, most);
  }

  /// A copy reads and writes each byte; a call reads and writes its rows once and the tokens once.
  private long copiedBytes(long sent) {
    return Math.max(1, (sent + calls.moved.homeBytes()) / 2);
  }

  /// {@return microseconds by phase and iteration}
  Map<LowLatencyPhase, double[]> measure() {
    buffer.onOwnStream(() -> {
      // Everything is allocated on all ranks before a kernel of any waits for another.
      buffer.group().barrier();
      for (int i = 0; i < WARM_UPS; i++) {
        pair(LowLatencyHandle::close);
        halves(Map.of(), LowLatencyHandle::close);
      }
      awaitStream();
      record();
      for (int i = 0; i < calls.task().base().iterations(); i++) {
        iterate(i);
      }
      new HookProbe(calls, this::awaitStream).measure(times);
    });
    return times;
  }

  /// @param afterwards takes the handle: closes it, or keeps it as long as a graph
  private void pair(Consumer<LowLatencyHandle> afterwards) {
    try (LowLatencyDispatchResult got = calls.dispatch(calls.dispatchOptions())) {
      calls.combine(got, calls.combineOptions());
      afterwards.accept(got.handle());
    }
  }

  private void recordedPair() {
    pair(kept::add);
  }

  private void recordedDispatch() {
    try (LowLatencyDispatchResult got = calls.dispatch(calls.dispatchOptions())) {
      kept.add(got.handle());
    }
  }

  /// A chain of combines of one dispatch. Only the chain is timed.
  private void recordedCombines() {
    try (LowLatencyDispatchResult got = calls.dispatch(calls.dispatchOptions())) {
      Tensor outputs = calls.outputs(got);
      chain(LowLatencyPhase.COMBINE, () -> calls.combine(got, outputs, calls.combineOptions()));
      kept.add(got.handle());
    }
  }

  /// All four halves, each behind a meeting of all ranks.
  private void halves(
      Map<LowLatencyPhase, CallTimer> timed, Consumer<LowLatencyHandle> afterwards) {
    LowLatencyDispatchResult[] got = new LowLatencyDispatchResult[1];
    RecvHook[] home = new RecvHook[1];
    half(
        timed.get(LowLatencyPhase.DISPATCH_SEND),
        () -> got[0] = calls.dispatch(calls.dispatchOptions().hooked()));
    try (LowLatencyDispatchResult result = got[0]) {
      half(timed.get(LowLatencyPhase.DISPATCH_RECEIVE), result.recvHook().orElseThrow());
      half(
          timed.get(LowLatencyPhase.COMBINE_SEND),
          () ->
              home[0] =
                  calls.combine(result, calls.combineOptions().hooked()).recvHook().orElseThrow());
      half(timed.get(LowLatencyPhase.COMBINE_RECEIVE), home[0]);
      half(timed.get(LowLatencyPhase.NOTHING), () -> {});
      afterwards.accept(result.handle());
    }
  }

  private void half(CallTimer timer, Runnable work) {
    buffer.barrier();
    if (timer == null) {
      work.run();
    } else {
      timer.start();
      work.run();
      timer.stop();
    }
  }

  private void record() {
    dispatches = recorder.apply(() -> chain(LowLatencyPhase.DISPATCH, this::recordedDispatch));
    combines = recorder.apply(this::recordedCombines);
    pairs = recorder.apply(() -> chain(LowLatencyPhase.PAIR, this::recordedPair));
    onePair = recorder.apply(this::recordedPair);
    halves =
        recorder.apply(() -> {
          for (int i = 0; i < WARM_HALVES; i++) {
            halves(Map.of(), kept::add);
          }
          halves(timers, kept::add);
        });
    // Making a graph ready waits for the whole GPU, so no rank may be in a call by then.
    buffer.group().barrier();
  }

  private void chain(LowLatencyPhase phase, Runnable call) {
    half(
        timers.get(phase),
        () -> {
          for (int i = 0; i < CHAIN; i++) {
            call.run();
          }
        });
  }

  private void iterate(int i) {
    for (RecordedCalls recorded : List.of(dispatches, pairs, combines, halves)) {
      headStart();
      recorded.replay();
    }
    awaitStream();
    CHAINS.forEach(phase -> times.get(phase)[i] = timers.get(phase).micros() / CHAIN);
    HALVES.forEach(phase -> read(phase, i));
    eager(i);
    late(i);
    copy(LowLatencyPhase.COPY_DISPATCH, calls.moved.dispatchBytes(), i);
    copy(LowLatencyPhase.COPY_COMBINE, calls.moved.combineBytes(), i);
    launch(LowLatencyPhase.LAUNCH_PAIR, () -> pair(LowLatencyHandle::close), i);
    launch(LowLatencyPhase.LAUNCH_GRAPH, onePair::replay, i);
    buffer.check();
  }

  private void eager(int i) {
    headStart();
    CallTimer timer = start(LowLatencyPhase.DISPATCH_EAGER);
    try (LowLatencyDispatchResult got = calls.dispatch(calls.dispatchOptions())) {
      timer.stop();
      timer = start(LowLatencyPhase.COMBINE_EAGER);
      calls.combine(got, calls.combineOptions());
      timer.stop();
      got.handle().close();
    }
    read(LowLatencyPhase.DISPATCH_EAGER, i);
    read(LowLatencyPhase.COMBINE_EAGER, i);
  }

  /// Send halves while the last rank, which has met the others, enqueues nothing for a while.
  private void late(int i) {
    CallTimer timer = startLate(LowLatencyPhase.DISPATCH_SEND_LATE);
    try (LowLatencyDispatchResult got = calls.dispatch(calls.dispatchOptions().hooked())) {
      timer.stop();
      got.recvHook().orElseThrow().run();
      timer = startLate(LowLatencyPhase.COMBINE_SEND_LATE);
      RecvHook hook = calls.combine(got, calls.combineOptions().hooked()).recvHook().orElseThrow();
      timer.stop();
      hook.run();
      got.handle().close();
    }
    read(LowLatencyPhase.DISPATCH_SEND_LATE, i);
    read(LowLatencyPhase.COMBINE_SEND_LATE, i);
  }

  private CallTimer startLate(LowLatencyPhase phase) {
    headStart();
    buffer.barrier();
    if (buffer.group().rank() == buffer.group().size() - 1) {
      awaitStream();
      BusyWork.spend(LowLatencyBenchRun.LATE_NANOS);
    }
    CallTimer timer = timers.get(phase);
    timer.start();
    return timer;
  }

  private CallTimer start(LowLatencyPhase phase) {
    buffer.barrier();
    CallTimer timer = timers.get(phase);
    timer.start();
    return timer;
  }

  private void copy(LowLatencyPhase phase, long sent, int i) {
    headStart();
    CallTimer timer = start(phase);
    long bytes = copiedBytes(sent);
    buffer.memory().copy(from.firstRows(bytes), to.firstRows(bytes));
    timer.stop();
    read(phase, i);
  }

  /// The host's own time, with nothing in its way.
  private void launch(LowLatencyPhase phase, Runnable work, int i) {
    awaitStream();
    buffer.group().barrier();
    long start = System.nanoTime();
    work.run();
    times.get(phase)[i] = (System.nanoTime() - start) / 1e3;
    awaitStream();
  }

  private void read(LowLatencyPhase phase, int i) {
    times.get(phase)[i] = timers.get(phase).micros();
  }

  private void headStart() {
    for (int ahead = 0; ahead < HEAD_STARTS; ahead++) {
      buffer.memory().copy(from.firstRows(HEAD_START_BYTES), to.firstRows(HEAD_START_BYTES));
    }
  }

  private void awaitStream() {
    fence.start();
    fence.stop();
    fence.micros();
  }

  @Override
  public void close() {
    for (RecordedCalls recorded :
        new RecordedCalls[] {dispatches, combines, pairs, onePair, halves}) {
      if (recorded != null) {
        recorded.close();
      }
    }
    kept.forEach(LowLatencyHandle::close);
    timers.values().forEach(CallTimer::close);
    fence.close();
  }
}
