package io.crossdock.cuda;

import io.crossdock.core.EventOverlap;
import io.crossdock.core.ExecutionStream;
import io.crossdock.cuda.driver.Stream;
import java.time.Duration;

/// A CUDA stream that calls of a buffer can be ordered on. While it is the current stream of a
/// thread, calls of that thread come after what the stream got before, the stream continues after
/// them, and the host waits for nothing but the counts of a fresh dispatch without
/// `numWorstTokens`.
///
/// ```java
/// try (CudaStream stream = CudaStream.create(0); CudaStream.Current current = stream.makeCurrent()) {
///   DispatchResult got = buffer.dispatch(input, layout);
///   expertKernels(stream.rawHandle(), got);
/// }
/// ```
///
/// Safe for any thread, but work of several threads is enqueued in no particular order.
public final class CudaStream extends GpuStream {
  /// The work has bounds of its own; this is only the last resort.
  private static final Duration BOUND = Duration.ofDays(1);

  private final CudaGpu gpu;

  private CudaStream(CudaGpu gpu, Stream driver) {
    super(driver);
    this.gpu = gpu;
    gpu.memory().watch(this);
  }

  /// Creates a stream that does not wait for the default stream.
  ///
  /// @param gpu as the driver counts
  /// @return the stream
  public static CudaStream create(int gpu) {
    CudaGpu opened = CudaGpu.open(gpu);
    return new CudaStream(opened, opened.stream(Stream.Use.COMPUTE));
  }

  /// Uses a stream of someone else, who destroys it, but not before what is returned is closed.
  ///
  /// @param gpu as the driver counts; the stream belongs to its primary context
  /// @param rawHandle a `CUstream` or `cudaStream_t`; 0 is the default stream
  /// @return the stream
  public static CudaStream wrap(int gpu, long rawHandle) {
    CudaGpu opened = CudaGpu.open(gpu);
    return new CudaStream(opened, Stream.wrap(opened.context(), rawHandle));
  }

  /// {@return the `CUstream`, for launches of others}
  public long rawHandle() {
    return driver().rawHandle();
  }

  /// Makes this the current stream of the calling thread until the answer is closed, by the same
  /// thread.
  ///
  /// @return brings the stream before back
  public Current makeCurrent() {
    ExecutionStream before = exchangeCurrent(this);
    return () -> exchangeCurrent(before);
  }

  /// Ends a stream's being current.
  ///
  /// Confined to the thread that made the stream current.
  @FunctionalInterface
  public interface Current extends AutoCloseable {
    @Override
    void close();
  }

  /// Waits until all work is done.
  ///
  /// @param timeout at most
  public void synchronize(Duration timeout) {
    driver().synchronize(timeout);
  }

  @Override
  public EventOverlap submit(Runnable work) {
    runWithCurrent(this, work);
    return capture();
  }

  @Override
  public EventOverlap capture() {
    return CudaEvent.record(this, BOUND, () -> null);
  }

  @Override
  public void execute(Runnable work) {
    runWithCurrent(this, work);
    GpuStream caller = currentOnGpu();
    if (caller == null) {
      synchronize(BOUND);
    } else {
      caller.waitFor(this);
    }
  }

  /// Waits for the work already submitted and, unless it was wrapped, destroys the stream.
  @Override
  public void close() {
    if (!gpu.memory().forget(this)) {
      return;
    }
    try {
      if (!isCapturing()) {
        synchronize(BOUND);
      }
    } finally {
      closeMarker();
      driver().close();
    }
  }
}
