package io.crossdock.cuda;

import io.crossdock.cuda.driver.Event;
import java.util.concurrent.atomic.AtomicReferenceArray;

/// The work of callers' streams that may still use a window whose lease ended. The next call that
/// uses the window waits for it on the GPU.
///
/// Safe for any thread.
final class WindowEvents implements AutoCloseable {
  private final CommStream comm;
  private final AtomicReferenceArray<Event> pending;

  WindowEvents(CommStream comm, int numWindows) {
    this.comm = comm;
    this.pending = new AtomicReferenceArray<>(numWindows);
  }

  /// Remembers what the caller's stream got so far. In a graph the order of its streams is enough.
  void noteRelease(int window) {
    GpuStream current = GpuStream.currentOrNull();
    if (current == null || current == comm || current.isCapturing()) {
      return;
    }
    Event event = Event.create(current.context(), Event.Timing.OFF);
    event.record(current.driver());
    close(pending.getAndSet(window, event));
  }

  /// Makes the communication stream wait for those who used the window.
  void awaitRelease(int window) {
    if (pending.get(window) == null || comm.isCapturing()) {
      return;
    }
    Event event = pending.getAndSet(window, null);
    if (event != null) {
      comm.driver().waitFor(event);
      event.close();
    }
  }

  private static void close(Event event) {
    if (event != null) {
      event.close();
    }
  }

  @Override
  public void close() {
    for (int window = 0; window < pending.length(); window++) {
      close(pending.getAndSet(window, null));
    }
  }
}
