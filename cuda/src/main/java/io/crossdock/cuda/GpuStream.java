package io.crossdock.cuda;

import io.crossdock.core.ExecutionStream;
import io.crossdock.cuda.driver.Context;
import io.crossdock.cuda.driver.Event;
import io.crossdock.cuda.driver.Stream;

/// A stream of a GPU: what is submitted to it enqueues work there at once.
///
/// Safe for any thread, but work of several threads is enqueued in no particular order.
abstract class GpuStream extends ExecutionStream {
  private final Stream driver;
  private final Event marker;

  /// @param driver the stream, closed by the subclass, or here if this fails
  GpuStream(Stream driver) {
    this.driver = driver;
    try {
      this.marker = Event.create(driver.context(), Event.Timing.OFF);
    } catch (RuntimeException e) {
      driver.close();
      throw e;
    }
  }

  /// The stream of a GPU that the calling thread made current, or null.
  static GpuStream currentOnGpu() {
    return currentOrNull() instanceof GpuStream stream ? stream : null;
  }

  /// Where the work that is enqueued goes.
  Stream driver() {
    return driver;
  }

  final Context context() {
    return driver.context();
  }

  /// True while what is enqueued goes into a graph.
  final boolean isCapturing() {
    return driver().isCapturing();
  }

  /// Later work of this stream comes after what another one got so far.
  final void waitFor(GpuStream other) {
    if (!equals(other)) {
      synchronized (other.marker) {
        other.marker.record(other.driver);
        driver.waitFor(other.marker);
      }
    }
  }

  @Override
  public void follow() {
    GpuStream caller = currentOnGpu();
    if (caller != null) {
      waitFor(caller);
    }
  }

  /// The order of the stream is enough.
  @Override
  public void awaitSubmitted() {
    // Nothing to wait for.
  }

  final void closeMarker() {
    marker.close();
  }
}
