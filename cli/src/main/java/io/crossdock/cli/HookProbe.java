package io.crossdock.cli;

import io.crossdock.core.CallTimer;
import io.crossdock.core.EpBuffer;
import io.crossdock.core.LowLatencyDispatchResult;
import io.crossdock.core.StandInWork;
import java.util.Map;

/// Shows what a hook leaves free: the time of work on rank 0 that fills its GPU alone, between the
/// halves of a dispatch of all ranks, and while the other ranks' receive halves wait for rank 0.
///
/// Confined to one thread.
final class HookProbe {
  private static final long WORK_NANOS = 300_000;

  private final LowLatencyBenchCalls calls;
  private final EpBuffer buffer;
  private final Runnable awaitStream;

  /// @param calls at one size
  /// @param awaitStream waits for the current stream
  HookProbe(LowLatencyBenchCalls calls, Runnable awaitStream) {
    this.calls = calls;
    this.buffer = calls.buffer;
    this.awaitStream = awaitStream;
  }

  /// Measures as often as there are iterations; collective.
  void measure(Map<LowLatencyPhase, double[]> times) {
    meet();
    long steps = works() ? StandInWork.stepsOf(buffer, StandInWork.Extent.DEVICE, WORK_NANOS) : 0;
    try (CallTimer timer = buffer.timer()) {
      for (int i = 0; i < times.get(LowLatencyPhase.WORK_ALONE).length; i++) {
        meet();
        times.get(LowLatencyPhase.WORK_ALONE)[i] = work(timer, steps);
        meet();
        times.get(LowLatencyPhase.WORK_BETWEEN_HALVES)[i] = betweenHalves(timer, steps);
        meet();
        if (!calls.onHost()) {
          times.get(LowLatencyPhase.WORK_BESIDE_WAITS)[i] = besideWaits(timer, steps);
        }
      }
    }
    meet();
  }

  private boolean works() {
    return buffer.group().rank() == 0;
  }

  private void meet() {
    awaitStream.run();
    buffer.group().barrier();
  }

  private double work(CallTimer timer, long steps) {
    if (!works()) {
      return 0;
    }
    timer.start();
    StandInWork.run(buffer, StandInWork.Extent.DEVICE, steps);
    timer.stop();
    return timer.micros();
  }

  private double betweenHalves(CallTimer timer, long steps) {
    try (LowLatencyDispatchResult got = calls.dispatch(calls.dispatchOptions().hooked())) {
      meet();
      double micros = work(timer, steps);
      meet();
      got.recvHook().orElseThrow().run();
      awaitStream.run();
      got.handle().close();
      return micros;
    }
  }

  /// The hooks of the others are enqueued when rank 0 computes and has sent nothing yet.
  private double besideWaits(CallTimer timer, long steps) {
    double micros = 0;
    if (works()) {
      buffer.group().barrier();
      micros = work(timer, steps);
    }
    try (LowLatencyDispatchResult got = calls.dispatch(calls.dispatchOptions().hooked())) {
      got.recvHook().orElseThrow().run();
      got.handle().close();
    }
    if (!works()) {
      buffer.group().barrier();
    }
    return micros;
  }
}
