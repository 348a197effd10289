package io.crossdock.host;

import io.crossdock.core.CrossdockException;
import io.crossdock.core.spi.Threads;
import java.time.Duration;
import java.util.Arrays;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;

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

  /// Runs all chunks on the given number of workers and returns when all are done. If a chunk
  /// throws, the rest is left out, and the exception is thrown here once every worker has stopped:
  /// from then on the memory they used may go.
  void run(ChunkTask work, int chunks, int numWorkers) {
    int helpers = Math.min(numWorkers, chunks) - 1;
    if (helpers <= 0) {
      for (int chunk = 0; chunk < chunks; chunk++) {
        work.run(chunk, 0);
      }
      return;
    }
    start(work, chunks, helpers);
    drain(0);
    finish();
  }

  /// Runs all chunks as [#run] does, while the calling thread has something to do that goes first:
  /// it takes chunks only when there is none of that. With one worker the chunks come first.
  ///
  /// @param first does some of it; false if there was nothing to do. It may throw as a chunk may
  void runBehind(BooleanSupplier first, ChunkTask work, int chunks, int numWorkers) {
    int helpers = Math.min(numWorkers - 1, chunks);
    if (helpers <= 0) {
      run(work, chunks, 1);
      return;
    }
    start(work, chunks, helpers);
    try {
      while (running.get() > 0) {
        if (!first.getAsBoolean() && !takeOne(0)) {
          Thread.onSpinWait();
        }
      }
    } catch (RuntimeException | Error e) {
      fail(e);
    }
    finish();
  }

  private void start(ChunkTask work, int chunks, int helpers) {
    grow(helpers);
    task = work;
    numChunks = chunks;
    nextChunk.set(0);
    failure.set(null);
    running.set(helpers);
    for (int i = 0; i < helpers; i++) {
      workers[i].start();
    }
  }

  private void finish() {
    awaitHelpers();
    task = null;
    rethrow(failure.get());
  }

  private void drain(int worker) {
    try {
      boolean more = true;
      while (more) {
        more = takeOne(worker);
      }
    } catch (RuntimeException | Error e) {
      fail(e);
    }
  }

  /// @return false if no chunk is left; the counter is not moved on then, however often it is asked
  private boolean takeOne(int worker) {
    int chunk = nextChunk.get() < numChunks ? nextChunk.getAndIncrement() : numChunks;
    if (chunk < numChunks) {
      task.run(chunk, worker);
    }
    return chunk < numChunks;
  }

  /// The rest is left out.
  private void fail(Throwable cause) {
    failure.compareAndSet(null, cause);
    nextChunk.set(numChunks);
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

  /// One at a time, so that a thread that cannot be had leaves none behind that close would miss.
  private void grow(int helpers) {
    while (workers.length < helpers) {
      Worker[] more = Arrays.copyOf(workers, workers.length + 1);
      more[workers.length] = new Worker(more.length);
      workers = more;
    }
  }

  @Override
  public void close() {
    Worker[] all = workers;
    workers = new Worker[0];
    for (Worker worker : all) {
      worker.stop();
    }
    for (Worker worker : all) {
      worker.join();
    }
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
    }

    void join() {
      if (!Threads.join(thread, JOIN_TIMEOUT)) {
        throw new CrossdockException("worker did not stop: thread=" + thread.getName());
      }
    }

    @Override
    public void run() {
      int done = 0;
      while (awaitWork(done)) {
        done++;
        drain(index);
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
