package io.crossdock.core;

import io.crossdock.core.spi.Threads;
import java.time.Duration;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;

/// A stream of the host: one daemon thread that runs work in the order of submission.
///
/// Safe for any thread.
final class HostStream extends ExecutionStream {
  private static final int MAX_PENDING = 1024;
  private static final long POLL_MILLIS = 20;

  /// Work on a stream is bounded itself; this is only the last resort.
  private static final Duration BOUND = Duration.ofDays(1);

  private final String name;
  private final BlockingQueue<Runnable> queue = new ArrayBlockingQueue<>(MAX_PENDING);
  private final AtomicInteger pending = new AtomicInteger();
  private Thread thread;
  private volatile boolean closed;

  /// The thread starts with the first work.
  HostStream(String name) {
    this.name = name;
  }

  @Override
  public EventOverlap submit(Runnable work) {
    CompletableFuture<Void> done = new CompletableFuture<>();
    enqueue(() -> complete(work, done));
    return new HostEvent(done, BOUND);
  }

  @Override
  public EventOverlap capture() {
    return isIdle() ? EventOverlap.COMPLETED : submit(() -> {});
  }

  @Override
  public void follow() {
    // The caller's work is over when it gets here.
  }

  @Override
  public void execute(Runnable work) {
    awaitSubmitted();
    work.run();
  }

  @Override
  public void awaitSubmitted() {
    if (!isIdle() && currentOrNull() != this) {
      capture().currentStreamWait();
    }
  }

  /// {@return true if no work is waiting or running}
  boolean isIdle() {
    return pending.get() == 0;
  }

  @Override
  public void close() {
    Thread worker;
    synchronized (this) {
      closed = true;
      worker = thread;
    }
    if (worker == null || worker == Thread.currentThread()) {
      return;
    }
    if (!Threads.join(worker, BOUND)) {
      throw new CrossdockException("stream did not drain: name=" + name);
    }
  }

  private void enqueue(Runnable task) {
    synchronized (this) {
      if (closed) {
        throw new BufferClosedException("stream is closed: name=" + name);
      }
      if (thread == null) {
        thread = Thread.ofPlatform().daemon().name("crossdock-" + name).start(this::run);
      }
      pending.incrementAndGet();
      if (!queue.offer(task)) {
        pending.decrementAndGet();
        throw new CrossdockException("stream is full: name=" + name + ", pending=" + MAX_PENDING);
      }
    }
  }

  private void run() {
    exchangeCurrent(this);
    while (!(closed && isIdle())) {
      Runnable task = next();
      if (task != null) {
        task.run();
      }
    }
  }

  /// {@return the next task, or null if none came for a while}
  private Runnable next() {
    try {
      return queue.poll(POLL_MILLIS, TimeUnit.MILLISECONDS);
    } catch (InterruptedException e) {
      // Meant for the work that ran before: only close() ends a stream.
      return null;
    }
  }

  private void complete(Runnable work, CompletableFuture<Void> done) {
    try {
      work.run();
      pending.decrementAndGet();
      done.complete(null);
    } catch (RuntimeException | Error e) {
      pending.decrementAndGet();
      done.completeExceptionally(e);
    }
  }
}
