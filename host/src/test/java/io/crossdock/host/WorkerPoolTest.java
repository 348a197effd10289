package io.crossdock.host;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.time.Duration;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicIntegerArray;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

@Timeout(60)
class WorkerPoolTest {
  private static final Duration SECONDS = Duration.ofSeconds(20);

  @ParameterizedTest
  @ValueSource(ints = {1, 2, 3, 4, 5, 6, 7, 8})
  void everyChunkRunsOnceOnAWorkerInRange(int workers) {
    try (WorkerPool pool = new WorkerPool("test")) {
      for (int chunks : new int[] {0, 1, 2, workers - 1, workers, workers + 1, 100, 1000}) {
        AtomicIntegerArray runs = new AtomicIntegerArray(chunks);
        AtomicInteger largest = new AtomicInteger();
        pool.run(
            (chunk, worker) -> {
              runs.incrementAndGet(chunk);
              largest.accumulateAndGet(worker, Math::max);
            },
            chunks,
            workers);
        assertThat(IntStream.range(0, chunks).map(runs::get)).allMatch(count -> count == 1);
        assertThat(largest.get()).isLessThan(Math.max(1, Math.min(workers, chunks)));
      }
    }
  }

  /// Plain stores of the workers are seen by the caller, and plain stores of the caller by the
  /// workers, however often the pool is used and whatever their number.
  @Test
  void aRunSeesWhatWasWrittenBeforeAndIsSeenAfter() {
    long[] cells = new long[64];
    try (WorkerPool pool = new WorkerPool("test")) {
      for (int round = 0; round < 3000; round++) {
        pool.run((chunk, worker) -> cells[chunk]++, cells.length, 1 + round % 4);
        assertThat(cells).containsOnly(round + 1);
      }
    }
  }

  /// Each chunk waits for the others, so this ends only if as many threads run at once.
  @ParameterizedTest
  @ValueSource(ints = {1, 2, 5, 8})
  void asManyThreadsRunAsAskedFor(int workers) {
    CountDownLatch all = new CountDownLatch(workers);
    Set<Thread> threads = ConcurrentHashMap.newKeySet();
    Set<Integer> indices = ConcurrentHashMap.newKeySet();
    try (WorkerPool pool = new WorkerPool("test")) {
      pool.run(
          (chunk, worker) -> {
            threads.add(Thread.currentThread());
            indices.add(worker);
            all.countDown();
            await(all);
          },
          workers,
          workers);
    }
    assertThat(threads).hasSize(workers).contains(Thread.currentThread());
    assertThat(indices).hasSize(workers).allMatch(index -> index >= 0 && index < workers);
  }

  @Test
  void workersAreKeptForTheNextRun() {
    Set<Thread> threads = ConcurrentHashMap.newKeySet();
    try (WorkerPool pool = new WorkerPool("test")) {
      for (int workers : new int[] {4, 2, 3, 4, 1, 4}) {
        CountDownLatch all = new CountDownLatch(workers);
        pool.run(
            (chunk, worker) -> {
              threads.add(Thread.currentThread());
              all.countDown();
              await(all);
            },
            workers,
            workers);
      }
      assertThat(threads).hasSize(4);
    }
    threads.remove(Thread.currentThread());
    assertThat(threads).hasSize(3).noneMatch(Thread::isAlive);
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 2, 4})
  void whatAChunkThrowsIsThrownToTheCaller(int workers) {
    try (WorkerPool pool = new WorkerPool("test")) {
      for (int failing = 0; failing < 8; failing++) {
        int bad = failing;
        assertThatThrownBy(() ->
                pool.run(
                    (chunk, worker) -> {
                      if (chunk == bad) {
                        throw new IllegalStateException("chunk=" + chunk);
                      }
                    },
                    8,
                    workers))
            .isInstanceOf(IllegalStateException.class)
            .hasMessage("chunk=" + bad);
        AtomicInteger runs = new AtomicInteger();
        pool.run((chunk, worker) -> runs.incrementAndGet(), 8, workers);
        assertThat(runs.get()).as("chunks of the next run").isEqualTo(8);
      }
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 2, 3, 8})
  void everyChunkRunsOnceBehindWhatTheCallerDoesFirst(int workers) {
    try (WorkerPool pool = new WorkerPool("test")) {
      for (int chunks : new int[] {0, 1, 2, workers, 100}) {
        AtomicIntegerArray runs = new AtomicIntegerArray(chunks);
        int[] calls = new int[1];
        pool.runBehind(
            () -> calls[0]++ % 3 == 0,
            (chunk, worker) -> runs.incrementAndGet(chunk),
            chunks,
            workers);
        assertThat(IntStream.range(0, chunks).map(runs::get)).allMatch(count -> count == 1);
        if (workers == 1) {
          assertThat(calls[0]).isZero();
        }
      }
    }
  }

  @Test
  void theCallerTakesNoChunkWhileItHasSomethingElseToDo() {
    Thread caller = Thread.currentThread();
    Set<Thread> threads = ConcurrentHashMap.newKeySet();
    try (WorkerPool pool = new WorkerPool("test")) {
      pool.runBehind(() -> true, (chunk, worker) -> threads.add(Thread.currentThread()), 100, 3);
    }
    assertThat(threads).isNotEmpty().doesNotContain(caller);
  }

  @Test
  void theCallerTakesChunksWhenItHasNothingElseToDo() {
    CountDownLatch all = new CountDownLatch(3);
    try (WorkerPool pool = new WorkerPool("test")) {
      pool.runBehind(
          () -> false,
          (chunk, worker) -> {
            all.countDown();
            await(all);
          },
          3,
          3);
    }
    assertThat(all.getCount()).isZero();
  }

  @Test
  void whatTheCallerThrowsComesWhenNoChunkRunsAnyLonger() {
    CountDownLatch inside = new CountDownLatch(1);
    AtomicInteger running = new AtomicInteger();
    try (WorkerPool pool = new WorkerPool("test")) {
      assertThatThrownBy(() ->
              pool.runBehind(
                  () -> {
                    await(inside);
                    throw new IllegalStateException("first");
                  },
                  (chunk, worker) -> {
                    running.incrementAndGet();
                    inside.countDown();
                    spin();
                    running.decrementAndGet();
                  },
                  1000,
                  2))
          .hasMessage("first");
      assertThat(running.get()).isZero();
    }
  }

  @Test
  void errorsAreThrownToo() {
    try (WorkerPool pool = new WorkerPool("test")) {
      assertThatThrownBy(() -> pool.run((chunk, worker) -> fail(), 4, 3))
          .isInstanceOf(InternalError.class);
    }
  }

  private static void fail() {
    throw new InternalError("unsafe memory access");
  }

  /// Memory that a chunk uses may be freed once run has thrown, so no chunk may run any longer:
  /// whoever fails, the caller or a helper.
  @ParameterizedTest
  @ValueSource(ints = {0, 1, 2, 3})
  void nothingRunsAnyLongerWhenARunThrows(int failingWorker) {
    int workers = 4;
    try (WorkerPool pool = new WorkerPool("test")) {
      CountDownLatch allIn = new CountDownLatch(workers);
      CountDownLatch thrown = new CountDownLatch(1);
      AtomicInteger inside = new AtomicInteger();
      assertThatThrownBy(() ->
              pool.run(
                  (chunk, worker) -> {
                    inside.incrementAndGet();
                    allIn.countDown();
                    await(allIn);
                    if (worker == failingWorker) {
                      thrown.countDown();
                      throw new IllegalStateException("worker=" + worker);
                    }
                    await(thrown);
                    spin();
                    inside.decrementAndGet();
                  },
                  workers,
                  workers))
          .isInstanceOf(IllegalStateException.class);
      assertThat(inside.get()).as("the one that failed").isEqualTo(1);
    }
  }

  @Test
  void closingEndsTheThreadsAndMayBeRepeated() {
    Set<Thread> threads = ConcurrentHashMap.newKeySet();
    CountDownLatch all = new CountDownLatch(3);
    WorkerPool pool = new WorkerPool("crossdock-7");
    pool.run(
        (chunk, worker) -> {
          threads.add(Thread.currentThread());
          all.countDown();
          await(all);
        },
        3,
        3);
    pool.close();
    pool.close();
    threads.remove(Thread.currentThread());
    assertThat(threads)
        .allSatisfy(thread -> assertThat(thread.isAlive()).isFalse())
        .allSatisfy(thread -> assertThat(thread.isDaemon()).isTrue())
        .extracting(Thread::getName)
        .containsExactlyInAnyOrder("crossdock-7-worker-1", "crossdock-7-worker-2");
  }

  /// Long enough that a run which does not wait for its helpers returns first.
  private static void spin() {
    long end = System.nanoTime() + Duration.ofMillis(50).toNanos();
    while (System.nanoTime() < end) {
      Thread.onSpinWait();
    }
  }

  private static void await(CountDownLatch latch) {
    try {
      assertThat(latch.await(SECONDS.toSeconds(), TimeUnit.SECONDS)).isTrue();
    } catch (InterruptedException e) {
      throw new IllegalStateException(e);
    }
  }
}
