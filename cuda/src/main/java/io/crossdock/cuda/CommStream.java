package io.crossdock.cuda;

import io.crossdock.core.EventOverlap;
import io.crossdock.cuda.driver.GpuTimeoutException;
import io.crossdock.cuda.driver.Stream;

/// The stream that the calls of a buffer run on.
///
/// Confined to the thread that uses the buffer.
final class CommStream extends GpuStream {
  private final CallLog log;
  private CallWait wait;
  private GpuStream caller;
  private CudaEvent mark;
  private long first;
  private boolean submitting;

  /// The stream of a caller who records, while it gets what is enqueued; else null.
  private GpuStream recorder;

  /// The thread that enqueues there; else null.
  private Thread recording;

  /// True if what comes next is yet to be put behind the caller's stream.
  private boolean followsLater;

  CommStream(Stream driver, CallLog log) {
    super(driver);
    this.log = log;
  }

  /// The wait needs the stream, and the stream the wait.
  void connect(CallWait callWait) {
    wait = callWait;
  }

  /// Threads of other ranks, which free memory behind every stream of the GPU, get this one itself.
  @Override
  Stream driver() {
    return Thread.currentThread() == recording ? recorder.driver() : super.driver();
  }

  /// True while what the calling thread enqueues goes into a graph.
  boolean isRecording() {
    return isCapturing() || isRecordedBy(currentOnGpu());
  }

  /// True if a caller records on its stream and this one has no part in it yet. A call that the
  /// caller waits for is then enqueued on that stream itself: a graph without forks runs on the
  /// stream that launches it, while branches get streams of the driver's own, which may share a
  /// hardware queue with the kernel of a peer that waits.
  private boolean isRecordedBy(GpuStream current) {
    return current != null && current != this && current.isCapturing() && !isCapturing();
  }

  /// True while the work that runs was asked for by a thread whose current stream is of a GPU: the
  /// host will not wait for it.
  boolean isDeferred() {
    return caller != null;
  }

  /// Makes what runs end here for those who wait for it, whatever is enqueued behind, unless
  /// [#endLater] follows.
  void endHere() {
    if (submitting) {
      mark = CudaEvent.record(this, wait.bound(), () -> null);
    }
  }

  /// Makes what runs end with the last that is enqueued.
  void endLater() {
    mark = null;
  }

  /// Makes those who wait for what runs wait for this call too, which was begun before.
  void include(long ticket) {
    first = Math.min(first, ticket);
  }

  @Override
  public void follow() {
    followsLater = isRecordedBy(currentOnGpu());
    if (!followsLater) {
      super.follow();
    }
  }

  /// In a graph the work becomes a branch of its own.
  @Override
  public EventOverlap submit(Runnable work) {
    if (followsLater) {
      followsLater = false;
      super.follow();
    }
    submitting = true;
    long after = run(work);
    if (mark != null) {
      return mark;
    }
    long last = log.issued();
    return CudaEvent.record(this, wait.bound(), () -> wait.outcome(after, last));
  }

  /// Runs work with this stream as the current one.
  ///
  /// @return the call before the first that belongs to the work
  private long run(Runnable work) {
    long before = log.issued();
    GpuStream current = currentOnGpu();
    caller = current == this ? caller : current;
    mark = null;
    first = Long.MAX_VALUE;
    try {
      runWithCurrent(this, work);
    } finally {
      caller = null;
      submitting = false;
    }
    return Math.min(before, first - 1);
  }

  @Override
  public EventOverlap capture() {
    long last = log.issued();
    return CudaEvent.record(this, wait.bound(), () -> wait.outcome(last, last));
  }

  @Override
  public void execute(Runnable work) {
    GpuStream current = currentOnGpu();
    if (isRecordedBy(current)) {
      followsLater = false;
      runOn(current, work);
      return;
    }
    long after = run(work);
    if (current == null) {
      wait.join(after, log.issued());
    } else {
      current.waitFor(this);
    }
  }

  private void runOn(GpuStream caller, Runnable work) {
    recorder = caller;
    recording = Thread.currentThread();
    try {
      run(work);
    } finally {
      recording = null;
      recorder = null;
    }
  }

  /// Lets work already submitted finish. The session destroys the stream.
  @Override
  public void close() {
    if (isCapturing()) {
      return;
    }
    try {
      driver().drain(wait.bound());
    } catch (GpuTimeoutException e) {
      log.health().abort("buffer was closed during a call: cause=" + e.getMessage());
      driver().drain(wait.bound());
    }
  }

  void destroy() {
    closeMarker();
    driver().close();
  }
}
