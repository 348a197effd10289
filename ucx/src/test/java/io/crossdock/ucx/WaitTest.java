package io.crossdock.ucx;

import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.assertj.core.api.Assertions.assertThat;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/// Waits end by themselves, by [UcxTransport#wake()], and by what arrives.
///
/// Confined to the thread of the test.
final class WaitTest {
  private static final long LONG = Duration.ofSeconds(30).toNanos();
  private static final long SOON = Duration.ofSeconds(10).toNanos();

  private final Arena arena = Arena.ofShared();
  private MemorySegment region;
  private UcxTransport a;
  private UcxTransport b;

  @BeforeEach
  void open() {
    Ucx.require();
    region = Ucx.memory(arena, 4096);
    a = Ucx.open(PutsKind.MESSAGES, 0, 2, region);
    b = Ucx.open(PutsKind.MESSAGES, 1, 2, Ucx.memory(arena, 4096));
    Ucx.connect(a, b);
  }

  @AfterEach
  void close() {
    if (a != null) {
      a.close();
      b.close();
    }
    arena.close();
  }

  /// Waits as a thread that makes progress does.
  private long timeOfWait(long nanos) {
    long start = System.nanoTime();
    while (a.progress()) {
      Thread.onSpinWait();
    }
    a.await(nanos);
    return System.nanoTime() - start;
  }

  @Test
  void aWaitEndsWhenItsTimeIsOver() {
    assertThat(timeOfWait(Duration.ofMillis(5).toNanos())).isLessThan(SOON);
  }

  @Test
  void wakingBeforehandEndsTheNextWaitAlone() {
    a.wake();
    assertThat(timeOfWait(LONG)).isLessThan(SOON);
    long pause = Duration.ofMillis(50).toNanos();
    long waited = 0;
    // UCX may have something of its own to do now and then.
    for (int i = 0; i < 100 && waited < pause; i++) {
      waited = timeOfWait(pause);
    }
    assertThat(waited).isGreaterThanOrEqualTo(pause);
  }

  @Test
  void wakingEndsAWait() throws Exception {
    for (int round = 0; round < 50; round++) {
      CompletableFuture<Void> waker = CompletableFuture.runAsync(a::wake);
      assertThat(timeOfWait(LONG)).isLessThan(SOON);
      waker.get(10, TimeUnit.SECONDS);
      // Whichever came first, nothing is left of it.
      a.await(0);
    }
  }

  @Test
  void whatArrivesEndsAWait() throws Exception {
    for (long round = 1; round <= 50; round++) {
      long number = round;
      CompletableFuture<Void> sender =
          CompletableFuture.runAsync(() -> {
            b.signal(0, 8, number);
            b.progress();
          });
      long start = System.nanoTime();
      while (!hasArrived(number)) {
        a.await(LONG);
        assertThat(System.nanoTime() - start).isLessThan(SOON);
      }
      sender.get(10, TimeUnit.SECONDS);
    }
  }

  /// Looks after progress, so that nothing taken in is waited for.
  private boolean hasArrived(long number) {
    while (a.progress()) {
      Thread.onSpinWait();
    }
    return (long) JAVA_LONG.varHandle().getAcquire(region, 8L) == number;
  }
}
