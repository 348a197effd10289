package io.crossdock.host;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;

import io.crossdock.core.AbortedException;
import io.crossdock.core.BufferSpec;
import io.crossdock.core.Mode;
import io.crossdock.core.WaitTimeoutException;
import java.time.Duration;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.parallel.Execution;
import org.junit.jupiter.api.parallel.ExecutionMode;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// Rank 2 stops in the middle of a call: rank 0 has its flag, rank 1 has not. So rank 1 waits for
/// it, and rank 0, already in its next call, for rank 1.
@Timeout(60)
class LowLatencyWaiterTest {
  private static final Duration TIMEOUT = Duration.ofSeconds(3);

  /// Generous: what a loaded machine may add to a wait.
  private static final Duration LATE = Duration.ofSeconds(8);

  private Ranks ranks;
  private LowLatencyContext[] contexts;

  @AfterEach
  void close() {
    ranks.close();
  }

  private void open(boolean shrinks) {
    BufferSpec spec =
        BufferSpec.builder()
            .mode(Mode.LOW_LATENCY)
            .enableShrink(shrinks)
            .numMaxTokensPerRank(1)
            .hidden(8)
            .topk(1)
            .numExperts(3)
            .hostTimeout(TIMEOUT)
            .build();
    ranks = new Ranks(spec, 3);
    contexts = new LowLatencyContext[3];
    for (int rank = 0; rank < 3; rank++) {
      contexts[rank] = new LowLatencyContext(ranks.contexts[rank]);
    }
  }

  /// A call without rows, as [HostLowLatency#clean] makes it.
  private void call(int rank) {
    receive(rank, send(rank));
  }

  private long send(int rank) {
    long epoch = contexts[rank].begin();
    contexts[rank].publishFlags(epoch, null);
    return epoch;
  }

  private void receive(int rank, long epoch) {
    contexts[rank].receive(epoch, () -> contexts[rank].awaitFlags(epoch));
  }

  private void stopBetweenFlags() {
    long epoch = contexts[2].begin();
    contexts[2].board.publishFlag(0, epoch, contexts[2].terms(epoch), null);
  }

  /// Rank 1 sends and has other work for a while, so that it waits for longer than rank 0 would.
  private void callLate() {
    long epoch = send(1);
    long begin = System.nanoTime();
    long pause = TIMEOUT.dividedBy(2).toNanos();
    for (long left = pause; left > 0; left = begin + pause - System.nanoTime()) {
      LockSupport.parkNanos(left);
    }
    receive(1, epoch);
  }

  private static <T> CompletableFuture<T> start(Callable<T> work) {
    CompletableFuture<T> result = new CompletableFuture<>();
    Thread.ofPlatform()
        .daemon()
        .start(() -> {
          try {
            result.complete(work.call());
          } catch (Exception | Error e) {
            result.completeExceptionally(e);
          }
        });
    return result;
  }

  private static <T> T get(CompletableFuture<T> result) throws Exception {
    return result.get(50, TimeUnit.SECONDS);
  }

  private boolean[] masked(int rank) {
    boolean[] masked = new boolean[3];
    for (int peer = 0; peer < 3; peer++) {
      masked[peer] = contexts[rank].state.isMasked(peer);
    }
    return masked;
  }

  @Test
  @Execution(ExecutionMode.CONCURRENT)
  void whoWaitsForARankThatStoppedIsNotMasked() throws Exception {
    open(true);
    stopBetweenFlags();
    CompletableFuture<Boolean> late =
        start(() -> {
          callLate();
          call(1);
          return true;
        });
    call(0);
    assertThat(masked(0)).containsOnly(false);
    call(0);
    get(late);
    assertThat(masked(0)).containsExactly(false, false, true);
    assertThat(masked(1)).containsExactly(false, false, true);
  }

  /// Without masks the rank that is missing is the one that is named, by both.
  @Test
  @Execution(ExecutionMode.CONCURRENT)
  void whoWaitsForARankThatStoppedIsNotBlamed() throws Exception {
    open(false);
    stopBetweenFlags();
    CompletableFuture<Throwable> late = start(() -> catchThrowable(this::callLate));
    call(0);
    assertThat(catchThrowable(() -> call(0)))
        .isExactlyInstanceOf(WaitTimeoutException.class)
        .hasMessageContaining("peer did not arrive: rank=0, peer=2");
    assertThat(get(late))
        .isExactlyInstanceOf(AbortedException.class)
        .hasMessageContaining("peer did not arrive: rank=0, peer=2");
  }

  /// Ranks 0 and 1 wait for each other, alive and out of step: no wait is without an end.
  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  @Execution(ExecutionMode.CONCURRENT)
  void whoWaitInACircleFindOut(boolean shrinks) throws Exception {
    open(shrinks);
    long start = System.nanoTime();
    CompletableFuture<Throwable> other = start(() -> catchThrowable(() -> waitForNothing(1)));
    Throwable thrown = catchThrowable(() -> waitForNothing(0));
    get(other);
    Duration took = Duration.ofNanos(System.nanoTime() - start);
    assertThat(took).isBetween(TIMEOUT.multipliedBy(3), TIMEOUT.multipliedBy(3).plus(LATE));
    if (!shrinks) {
      assertThat(thrown).isInstanceOfAny(WaitTimeoutException.class, AbortedException.class);
    }
  }

  /// Makes a call whose flags go to nobody else; rank 2 has sent its own.
  private void waitForNothing(int rank) {
    long epoch = contexts[rank].begin();
    contexts[2].board.publishFlag(rank, epoch, contexts[2].terms(epoch), null);
    contexts[rank].board.publishFlag(rank, epoch, contexts[rank].terms(epoch), null);
    receive(rank, epoch);
  }
}
