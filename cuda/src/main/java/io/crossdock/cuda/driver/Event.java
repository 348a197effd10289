package io.crossdock.cuda.driver;

import java.time.Duration;

/// A point in a stream that other streams and the host can wait for.
///
/// Safe for any thread; the latest record counts.
public final class Event implements AutoCloseable {
  private static final int DISABLE_TIMING = 2;
  static final int RECORD_EXTERNAL = 1;
  private static final double MICROS_PER_MILLI = 1_000;

  private final Context context;
  private final Handle handle;

  private Event(Context context, Handle handle) {
    this.context = context;
    this.handle = handle;
  }

  /// Whether an event knows its time.
  public enum Timing {
    /// For order only, which is cheaper.
    OFF,
    /// For [Event#elapsedMicros] too.
    ON
  }

  /// Creates an event, not yet recorded.
  ///
  /// @param context where
  /// @param timing whether it knows its time
  /// @return the event
  public static Event create(Context context, Timing timing) {
    context.makeCurrent();
    Scratch scratch = Scratch.get();
    int flags = timing == Timing.ON ? 0 : DISABLE_TIMING;
    Driver.EVENT_CREATE.check(Driver.EVENT_CREATE.call(scratch.address(), flags));
    return new Event(context, new Handle(Owned.EVENT, scratch.word(0)));
  }

  /// {@return its context}
  public Context context() {
    return context;
  }

  /// {@return the `CUevent`}
  public long rawHandle() {
    return handle.value();
  }

  /// Puts the event behind all that the stream got so far.
  ///
  /// @param stream of the same context
  public void record(Stream stream) {
    context.makeCurrent();
    Driver.EVENT_RECORD.check(Driver.EVENT_RECORD.call(handle.value(), stream.rawHandle()));
  }

  /// Puts the event into the graph that the stream is captured into, so that each launch of the
  /// graph records it.
  ///
  /// @param stream captured, of the same context
  public void recordInGraph(Stream stream) {
    context.makeCurrent();
    Driver.EVENT_RECORD_WITH.check(
        Driver.EVENT_RECORD_WITH.call(handle.value(), stream.rawHandle(), RECORD_EXTERNAL));
  }

  /// Whether the GPU has passed the event.
  ///
  /// @return true also if it was never recorded
  /// @throws io.crossdock.ffi.NativeCallException also if earlier work failed
  public boolean isDone() {
    context.makeCurrent();
    int code = Driver.EVENT_QUERY.call(handle.value());
    if (code == Driver.NOT_READY) {
      return false;
    }
    Driver.EVENT_QUERY.check(code);
    return true;
  }

  /// Waits until the GPU has passed the event.
  ///
  /// @param timeout at most
  /// @throws GpuTimeoutException if it takes longer, or the thread is interrupted
  public void synchronize(Duration timeout) {
    GpuWait.await("event", handle.value(), this::isDone, timeout, GpuWait.Interrupt.HEEDED);
  }

  /// Waits until the GPU has passed the event, also while the thread is interrupted: for memory
  /// that the work before it uses.
  ///
  /// @param timeout at most
  /// @throws GpuTimeoutException if it takes longer
  public void drain(Duration timeout) {
    GpuWait.await("event", handle.value(), this::isDone, timeout, GpuWait.Interrupt.LEFT);
  }

  /// Time between two events, both done and created with timing.
  ///
  /// @param start the earlier one
  /// @return microseconds, with a resolution of about half of one
  public double elapsedMicros(Event start) {
    context.makeCurrent();
    Scratch scratch = Scratch.get();
    int code = Driver.EVENT_ELAPSED.call(scratch.address(), start.rawHandle(), handle.value());
    Driver.EVENT_ELAPSED.check(code);
    return scratch.firstFloat() * MICROS_PER_MILLI;
  }

  /// Destroys the event; waits that are enqueued still hold.
  @Override
  public void close() {
    if (handle.close()) {
      context.makeCurrent();
      Driver.checkRelease(Driver.EVENT_DESTROY, Driver.EVENT_DESTROY.call(handle.closedValue()));
    }
  }
}
