package io.crossdock.cuda;

import io.crossdock.core.CallTimer;
import io.crossdock.cuda.driver.Context;
import io.crossdock.cuda.driver.Event;
import java.time.Duration;

/// Measures on the current stream of a GPU, or on the host while there is none. In a graph it is
/// started and stopped by each launch.
///
/// Confined to the thread that uses the buffer.
final class CudaTimer implements CallTimer {
  private static final double NANOS_PER_MICRO = 1_000;

  private final Event start;
  private final Event stop;
  private final Duration bound;
  private boolean onHost;
  private long startNanos;
  private long stopNanos;

  CudaTimer(Context context, Duration bound) {
    this.start = Event.create(context, Event.Timing.ON);
    try {
      this.stop = Event.create(context, Event.Timing.ON);
    } catch (RuntimeException e) {
      start.close();
      throw e;
    }
    this.bound = bound;
  }

  @Override
  public void start() {
    GpuStream current = GpuStream.currentOnGpu();
    onHost = current == null;
    if (onHost) {
      startNanos = System.nanoTime();
    } else {
      record(start, current);
    }
  }

  @Override
  public void stop() {
    GpuStream current = GpuStream.currentOnGpu();
    if (onHost || current == null) {
      stopNanos = System.nanoTime();
    } else {
      record(stop, current);
    }
  }

  private static void record(Event event, GpuStream current) {
    if (current.isCapturing()) {
      event.recordInGraph(current.driver());
    } else {
      event.record(current.driver());
    }
  }

  @Override
  public double micros() {
    if (onHost) {
      return (stopNanos - startNanos) / NANOS_PER_MICRO;
    }
    stop.synchronize(bound);
    return stop.elapsedMicros(start);
  }

  @Override
  public void close() {
    start.close();
    stop.close();
  }
}
