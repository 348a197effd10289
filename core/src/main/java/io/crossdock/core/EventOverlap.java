package io.crossdock.core;

import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/// A point in a stream of work that other work can wait for.
///
/// As a resource of a try statement it lets independent work run inside the block and waits at its
/// end.
///
/// Safe for any thread.
public final class EventOverlap implements AutoCloseable {
  /// An event that is complete.
  public static final EventOverlap COMPLETED =
      new EventOverlap(CompletableFuture.completedFuture(null), Duration.ZERO);

  private final CompletableFuture<Void> done;
  private final Duration bound;
  private volatile boolean thrown;

  EventOverlap(CompletableFuture<Void> done, Duration bound) {
    this.done = done;
    this.bound = bound;
  }

  /// {@return true if the work before the event is over, well or badly}
  public boolean isDone() {
    return done.isDone();
  }

  /// Makes the current stream wait for the event. On the host engine the current stream is the
  /// calling thread, so it blocks until the work before the event is over.
  ///
  /// @throws CrossdockException what the work failed with, or that the bound was reached
  public void currentStreamWait() {
    if (done.isDone() && !done.isCompletedExceptionally()) {
      return;
    }
    try {
      done.get(bound.toNanos(), TimeUnit.NANOSECONDS);
    } catch (ExecutionException e) {
      thrown = true;
      throw rethrow(e.getCause());
    } catch (TimeoutException e) {
      throw new CrossdockException("event was not reached: waitedMs=" + bound.toMillis(), e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new CrossdockException("interrupted while waiting for an event: done=" + isDone(), e);
    }
  }

  /// Same as [#currentStreamWait()], except that a failure thrown there before is the cause of
  /// another exception here: inside a try statement no exception may come twice.
  @Override
  public void close() {
    if (thrown) {
      Throwable cause = done.exceptionNow();
      throw new CrossdockException("asynchronous call failed: cause=" + cause, cause);
    }
    currentStreamWait();
  }

  private static RuntimeException rethrow(Throwable cause) {
    if (cause instanceof Error error) {
      throw error;
    }
    return cause instanceof RuntimeException known
        ? known
        : new CrossdockException("asynchronous call failed: cause=" + cause, cause);
  }
}
