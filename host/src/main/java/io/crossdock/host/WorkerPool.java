package io.crossdock.host;

import io.crossdock.core.CrossdockException;
import java.time.Duration;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.locks.LockSupport;

/// The threads that move and sum rows of one buffer. The calling thread is worker 0; further ones
/// are made when a call first asks for them and then wait, parked, for the next. Workers never wait
/// for a peer.
///
/// Confined to the thread that runs the call.
final class WorkerPool implements AutoCloseable {
  private static final int SPINS = 2_000;
  private static final Duration JOIN_TIMEOUT = Duration.ofSeconds(10);

  private final AtomicInteger nextChunk = new AtomicInteger();
  private final AtomicInteger running = new AtomicInteger();
  private final AtomicReference<Throwable> failure = new AtomicReference<>();
  private final String name;
  private Worker[] workers = new Worker[0];
  private ChunkTask task;
  private int numChunks;

  WorkerPool(String name) {
    this.name = name;
  }

  /// Runs all chunks on the given number of workers and returns when all are done.
  void run(ChunkTask work, int chunks, int numWorkers) {
    int helpers = Math.min(numWorkers, chunks) - 1;
    if (helpers <= 0) {
      for (int chunk = 0; chunk < chunks; chunk++) {
        work.run(chunk, 0);
      }
      return;
    }
    grow(helpers);
    task = work;
    numChunks = chunks;
    nextChunk.set(0);
    failure.set(null);
    running.set(helpers);
    for (int i = 0; i < helpers; i++) {
      workers[i].start();
    }
    drainOrNote(0);
    awaitHelpers();
    rethrow(failure.get());
  }

  /// Whatever fails, the call ends only when no worker touches its memory any more.
  private void drainOrNote(int worker) {
    try {
      drain(worker);
    } catch (RuntimeException | Error e) {
      failure.compareAndSet(null, e);
    }
  }

  private void drain(int worker) {
    for (int c = nextChunk.getAndIncrement(); c < numChunks; c = nextChunk.getAndIncrement()) {
      task.run(c, worker);
    }
  }

  /// Workers only copy and add, so they end; there is no deadline to miss.
  private void awaitHelpers() {
    for (int spin = 0; running.get() > 0; spin++) {
      if (spin < SPINS) {
        Thread.onSpinWait();
      } else {
        Thread.yield();
      }
    }
  }

  private static void rethrow(Throwable cause) {
    if (cause instanceof RuntimeException known) {
      throw known;
    }
    if (cause instanceof Error error) {
      throw error;
    }
  }

  private void grow(int helpers) {
    if (workers.length >= helpers) {
      return;
    }
    Worker[] more = new Worker[helpers];
    System.arraycopy(workers, 0, more, 0, workers.length);
    for (int i = workers.length; i < helpers; i++) {
      more[i] = new Worker(i + 1);
    }
    workers = more;
  }

  @Override
  public void close() {
    for (Worker worker : workers) {
      worker.stop();
    }
    workers = new Worker[0];
  }

  /// One parked thread and its wake-up count.
  private final class Worker implements Runnable {
    private final int index;
    private final AtomicInteger wanted = new AtomicInteger();
    private final Thread thread;
    private volatile boolean stopped;

    Worker(int index) {
      this.index = index;
      this.thread = Thread.ofPlatform().daemon().name(name + "-worker-" + index).unstarted(this);
      thread.start();
    }

    void start() {
      wanted.incrementAndGet();
      LockSupport.unpark(thread);
    }

    void stop() {
      stopped = true;
      LockSupport.unpark(thread);
      try {
        if (!thread.join(JOIN_TIMEOUT)) {
          throw new CrossdockException("worker did not stop: thread=" + thread.getName());
        }
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
      }
    }

    @Override
    public void run() {
      int done = 0;
      while (awaitWork(done)) {
        done++;
        drainOrNote(index);
        running.decrementAndGet();
      }
    }

    private boolean awaitWork(int done) {
      for (int spin = 0; wanted.get() == done; spin++) {
        if (stopped) {
          return false;
        }
        if (spin < SPINS) {
          Thread.onSpinWait();
        } else {
          LockSupport.park(this);
        }
      }
      return true;
    }
  }
}
