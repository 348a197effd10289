package io.crossdock.core.spi;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.Test;

/// Waiting for threads to end.
class ThreadsTest {
  private static final Duration LONG = Duration.ofSeconds(30);

  @Test
  void anInterruptedThreadStillWaits() {
    CountDownLatch go = new CountDownLatch(1);
    AtomicBoolean done = new AtomicBoolean();
    Thread worker = Thread.ofPlatform().start(() -> workBehind(go, done));
    Thread.currentThread().interrupt();
    go.countDown();
    assertThat(Threads.join(worker, LONG)).isTrue();
    assertThat(done).isTrue();
    assertThat(Thread.interrupted()).isTrue();
  }

  private static void workBehind(CountDownLatch go, AtomicBoolean done) {
    try {
      go.await();
      done.set(true);
    } catch (InterruptedException e) {
      throw new AssertionError(e);
    }
  }

  @Test
  void theWaitIsBounded() throws InterruptedException {
    CountDownLatch never = new CountDownLatch(1);
    Thread worker =
        Thread.ofPlatform().daemon().start(() -> workBehind(never, new AtomicBoolean()));
    assertThat(Threads.join(worker, Duration.ofMillis(20))).isFalse();
    never.countDown();
    worker.join();
  }

  @Test
  void aThreadThatNeverBeganHasEnded() {
    assertThat(Threads.join(Thread.ofPlatform().unstarted(() -> {}), LONG)).isTrue();
  }
}
