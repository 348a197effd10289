package io.crossdock.core;

import static io.crossdock.core.WaitTimeoutException.Facts.UNKNOWN;

import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/// An event of a host stream: a future that blocks the thread that waits.
///
/// Safe for any thread.
final class HostEvent extends EventOverlap {
  private final CompletableFuture<Void> done;
  private final Duration bound;
  private volatile boolean thrown;

  HostEvent(CompletableFuture<Void> done, Duration bound) {
    this.done = done;
    this.bound = bound;
  }

  @Override
  public boolean isDone() {
    return done.isDone();
  }

  @Override
  public void currentStreamWait() {
    if (done.isDone() && !done.isCompletedExceptionally()) {
      return;
    }
    try {
      done.get(bound.toNanos(), TimeUnit.NANOSECONDS);
    } catch (ExecutionException e) {
      thrown = true;
      throw rethrow(e.getCause());
    } catch (TimeoutException _) {
      throw new WaitTimeoutException(
          "event was not reached",
          new WaitTimeoutException.Facts(UNKNOWN, "EVENT", 1, 0, bound.toNanos()));
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new CrossdockException("interrupted while waiting for an event: done=" + isDone(), e);
    }
  }

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
