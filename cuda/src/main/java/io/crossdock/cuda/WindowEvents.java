package io.crossdock.cuda;

import io.crossdock.cuda.driver.Event;

/// The work of callers' streams that may still use a window whose lease ended. The next call that
/// uses the window waits for it on the GPU.
///
/// Safe for any thread.
final class WindowEvents implements AutoCloseable {
  private final CommStream comm;
  private final Pending[] windows;
  private volatile boolean closed;

  /// Made once for each window: recording an event again leaves waits for the last record as they
  /// are.
  private static final class Pending {
    private Event event;
    private boolean isRecorded;

    /// A stream of another GPU needs an event of its own context.
    void record(GpuStream stream) {
      if (event == null || event.context() != stream.context()) {
        close();
        event = Event.create(stream.context(), Event.Timing.OFF);
      }
      event.record(stream.driver());
      isRecorded = true;
    }

    void close() {
      if (event != null) {
        event.close();
        event = null;
      }
    }
  }

  WindowEvents(CommStream comm, int numWindows) {
    this.comm = comm;
    this.windows = new Pending[numWindows];
    for (int window = 0; window < numWindows; window++) {
      windows[window] = new Pending();
    }
  }

  /// Remembers what the caller's stream got so far. In a graph the order of its streams is enough.
  void noteRelease(int window) {
    GpuStream current = GpuStream.currentOnGpu();
    if (closed || current == null || current == comm || current.isCapturing()) {
      return;
    }
    Pending pending = windows[window];
    synchronized (pending) {
      pending.record(current);
    }
  }

  /// Makes the communication stream wait for those who used the window.
  void awaitRelease(int window) {
    Pending pending = windows[window];
    synchronized (pending) {
      if (pending.isRecorded && !comm.isRecording()) {
        comm.driver().waitFor(pending.event);
        pending.isRecorded = false;
      }
    }
  }

  @Override
  public void close() {
    closed = true;
    for (Pending pending : windows) {
      synchronized (pending) {
        pending.close();
      }
    }
  }
}
