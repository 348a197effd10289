package io.crossdock.cuda;

import io.crossdock.core.CrossdockException;
import io.crossdock.core.EventOverlap;
import io.crossdock.cuda.driver.Context;
import io.crossdock.cuda.driver.Event;
import io.crossdock.ffi.NativeCallException;
import java.lang.ref.Cleaner;
import java.time.Duration;
import java.util.function.Supplier;

/// A point in a stream of a GPU.
///
/// Safe for any thread.
final class CudaEvent extends EventOverlap {
  private static final Cleaner CLEANER = Cleaner.create();

  private final Event event;
  private final Duration bound;
  private final Supplier<RuntimeException> outcome;
  private volatile RuntimeException thrown;

  private CudaEvent(Event event, Duration bound, Supplier<RuntimeException> outcome) {
    this.event = event;
    this.bound = bound;
    this.outcome = outcome;
  }

  /// Records an event behind all that a stream got so far.
  ///
  /// @param bound of waits of the host
  /// @param outcome waits, bounded, for the calls before the event, and tells what they failed
  ///   with; null if nothing
  static CudaEvent record(GpuStream stream, Duration bound, Supplier<RuntimeException> outcome) {
    Context context = stream.context();
    Event event = Event.create(context, Event.Timing.OFF);
    CudaEvent made = new CudaEvent(event, bound, outcome);
    CLEANER.register(made, event::close);
    event.record(stream.driver());
    return made;
  }

  @Override
  public boolean isDone() {
    try {
      return event.isDone();
    } catch (NativeCallException e) {
      // Over, badly: a wait tells.
      return true;
    }
  }

  @Override
  public void currentStreamWait() {
    GpuStream current = GpuStream.currentOnGpu();
    if (current != null) {
      current.driver().waitFor(event);
      return;
    }
    RuntimeException failure = outcome.get();
    if (failure != null) {
      thrown = failure;
      throw failure;
    }
    event.synchronize(bound);
  }

  @Override
  public void close() {
    if (thrown != null) {
      throw new CrossdockException("asynchronous call failed: cause=" + thrown, thrown);
    }
    currentStreamWait();
  }
}
