package io.crossdock.cuda;

import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.crossdock.core.CallTimer;
import io.crossdock.cuda.driver.Closing;
import io.crossdock.cuda.driver.Context;
import io.crossdock.cuda.driver.Event;
import io.crossdock.cuda.driver.Launch;
import io.crossdock.cuda.driver.LaunchShape;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/// Measures on the current stream of a GPU, or on the host while there is none. In a graph it is
/// started and stopped by each launch, by kernels that read the clock of the GPU: events there take
/// some ten microseconds where the graphs of several ranks share a GPU.
///
/// Confined to the thread that uses the buffer.
final class CudaTimer implements CallTimer {
  private static final double NANOS_PER_MICRO = 1_000;

  private static final LaunchShape ONE_THREAD = new LaunchShape(1, 1, 0);

  private final CudaContext context;
  private final Resources owned = new Resources();
  private final Launch clock;
  private final Event start;
  private final Event stop;

  /// Device address of the two times that the clock showed.
  private final long times;

  private boolean onHost;
  private boolean inGraph;
  private long startNanos;
  private long stopNanos;

  CudaTimer(CudaContext context) {
    this.context = context;
    Arena arena = owned.add(Arena.ofShared());
    try {
      Context driver = context.gpu.context();
      clock = new Launch(arena, context.gpu.function(Kernel.READ_CLOCK), Structs.CLOCK.byteSize());
      start = owned.add(Event.create(driver, Event.Timing.ON));
      stop = owned.add(Event.create(driver, Event.Timing.ON));
      times = context.gpu.memory().take(2L * Long.BYTES);
      owned.add(() -> context.gpu.memory().giveBack(times));
    } catch (RuntimeException | Error e) {
      Closing.after(e, owned);
      throw e;
    }
  }

  @Override
  public void start() {
    GpuStream current = GpuStream.currentOnGpu();
    onHost = current == null;
    if (onHost) {
      startNanos = System.nanoTime();
    } else {
      inGraph = current.isCapturing();
      record(start, times, current);
    }
  }

  @Override
  public void stop() {
    GpuStream current = GpuStream.currentOnGpu();
    if (onHost || current == null) {
      stopNanos = System.nanoTime();
    } else {
      record(stop, times + Long.BYTES, current);
    }
  }

  /// The event behind the last time tells when both are there.
  private void record(Event event, long time, GpuStream current) {
    if (current.isCapturing()) {
      clock.args().set(JAVA_LONG, 0, time);
      clock.run(current.driver(), ONE_THREAD);
      if (event == stop) {
        event.recordInGraph(current.driver());
      }
    } else {
      event.record(current.driver());
    }
  }

  @Override
  public double micros() {
    if (onHost) {
      return (stopNanos - startNanos) / NANOS_PER_MICRO;
    }
    stop.synchronize(context.wait.bound());
    return inGraph ? microsByClock() : stop.elapsedMicros(start);
  }

  private double microsByClock() {
    try (Arena scratch = Arena.ofConfined()) {
      MemorySegment both = scratch.allocate(JAVA_LONG, 2);
      context.control.download(times, both);
      return (both.getAtIndex(JAVA_LONG, 1) - both.getAtIndex(JAVA_LONG, 0)) / NANOS_PER_MICRO;
    }
  }

  @Override
  public void close() {
    owned.close();
  }
}
