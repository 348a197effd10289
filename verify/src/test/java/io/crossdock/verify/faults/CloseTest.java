package io.crossdock.verify.faults;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;

import io.crossdock.core.AbortedException;
import io.crossdock.core.BufferClosedException;
import io.crossdock.core.CombineOptions;
import io.crossdock.core.ConcurrentUseException;
import io.crossdock.core.PeerLeftException;
import io.crossdock.core.WaitTimeoutException;
import io.crossdock.verify.harness.RankThreads;
import java.lang.foreign.Arena;
import java.lang.foreign.SegmentAllocator;
import java.time.Duration;
import java.util.SplittableRandom;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.RepeatedTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// Buffers that are closed, or used by a second thread, while a call is under way.
class CloseTest {
  private static final Duration TIMEOUT = Duration.ofSeconds(2);
  private static final long SECONDS = 30;

  /// The peers of a rank that closes are in the middle of a call: they hear of it at once.
  @ParameterizedTest
  @ValueSource(ints = {2, 3})
  void closeWhilePeersAreInACall(int numRanks) throws Exception {
    RankThreads.run(
        numRanks,
        group -> {
          FaultRank rank = FaultRank.open(group);
          rank.takeLease();
          rank.calls().run(3);
          group.barrier();
          if (rank.rank() > 0) {
            long start = System.nanoTime();
            Throwable thrown = catchThrowable(rank::goodDispatch);
            Duration took = Duration.ofNanos(System.nanoTime() - start);
            assertThat(thrown)
                .isInstanceOfAny(
                    PeerLeftException.class, AbortedException.class, BufferClosedException.class);
            assertThat(thrown).hasMessageContaining("peer=0");
            assertThat(took).isLessThan(FaultRank.TIMEOUT.dividedBy(2));
            rank.checkLease();
          }
          rank.close();
          rank.close();
          rank.endLease();
        });
  }

  /// A rank that finished its last call may close while its peers still finish theirs.
  @RepeatedTest(20)
  void closeAfterTheLastCall() throws Exception {
    RankThreads.run(
        3,
        group -> {
          try (FaultRank rank = FaultRank.open(group)) {
            rank.calls().run(7);
          }
        });
  }

  /// Closing one's own buffer from another thread waits for the call in flight.
  @Test
  void closeWhileInACall() throws Exception {
    CountDownLatch over = new CountDownLatch(1);
    RankThreads.run(
        2,
        group -> {
          try (FaultRank rank =
              FaultRank.open(group, FaultRank.spec().hostTimeout(TIMEOUT).build())) {
            rank.takeLease();
            group.barrier();
            if (rank.rank() == 1) {
              assertThat(over.await(SECONDS, TimeUnit.SECONDS)).isTrue();
              return;
            }
            long start = System.nanoTime();
            CompletableFuture<Throwable> call = combineElsewhere(rank);
            rank.buffer().close();
            Duration took = Duration.ofNanos(System.nanoTime() - start);
            assertThat(took).as("close waits for the call").isGreaterThanOrEqualTo(TIMEOUT);
            assertThat(call.get(SECONDS, TimeUnit.SECONDS))
                .isInstanceOfAny(WaitTimeoutException.class, AbortedException.class);
            over.countDown();
          }
        });
  }

  /// While one thread waits in a call, every other one is turned away and changes nothing.
  @Test
  void twoThreadsInOneBuffer() throws Exception {
    CountDownLatch turnedAway = new CountDownLatch(1);
    RankThreads.run(
        2,
        group -> {
          try (FaultRank rank = FaultRank.open(group)) {
            rank.takeLease();
            group.barrier();
            if (rank.rank() == 1) {
              assertThat(turnedAway.await(SECONDS, TimeUnit.SECONDS)).isTrue();
              rank.goodCombine();
            } else {
              CompletableFuture<Throwable> call = combineElsewhere(rank);
              checkTurnedAway(rank);
              turnedAway.countDown();
              assertThat(call.get(SECONDS, TimeUnit.SECONDS)).isNull();
            }
            rank.checkUsable();
          }
        });
  }

  private static void checkTurnedAway(FaultRank rank) {
    assertThat(catchThrowable(rank::goodCombine))
        .isExactlyInstanceOf(ConcurrentUseException.class)
        .hasMessageContaining("rank=0, caller=" + Thread.currentThread().getName() + ", user=");
    assertThat(catchThrowable(() -> rank.buffer().combineBuffer(rank.handle())))
        .isExactlyInstanceOf(ConcurrentUseException.class);
    assertThat(catchThrowable(() -> rank.buffer().reset()))
        .isExactlyInstanceOf(ConcurrentUseException.class);
  }

  /// Combines on another thread and returns once that call is under way: it asks for memory then.
  private static CompletableFuture<Throwable> combineElsewhere(FaultRank rank) throws Exception {
    CountDownLatch underWay = new CountDownLatch(1);
    SegmentAllocator allocator =
        (byteSize, byteAlignment) -> {
          underWay.countDown();
          return Arena.ofAuto().allocate(byteSize, byteAlignment);
        };
    CombineOptions options = CombineOptions.DEFAULT.withAllocator(allocator);
    FaultRank.Call combine = r -> r.buffer().combine(r.outputs(), r.handle(), options);
    CompletableFuture<Throwable> call =
        CompletableFuture.supplyAsync(() -> catchThrowable(() -> combine.make(rank)));
    assertThat(underWay.await(SECONDS, TimeUnit.SECONDS)).isTrue();
    return call;
  }

  /// Whenever the buffers are closed, calls end with one of the exceptions for it, and results that
  /// came before are exact.
  @RepeatedTest(20)
  void closeAtAnyMoment() throws Exception {
    long seed = System.nanoTime();
    RankThreads.run(
        2,
        group -> {
          FaultRank rank = FaultRank.open(group);
          group.barrier();
          CompletableFuture<Throwable> calls =
              CompletableFuture.supplyAsync(() -> catchThrowable(() -> callForEver(rank)));
          long until =
              System.nanoTime() + new SplittableRandom(seed + rank.rank()).nextInt(20_000_000);
          while (System.nanoTime() < until) {
            Thread.yield();
          }
          rank.close();
          assertThat(calls.get(SECONDS, TimeUnit.SECONDS))
              .as("seed=%d", seed)
              .isInstanceOfAny(
                  BufferClosedException.class, PeerLeftException.class, AbortedException.class);
        });
  }

  private static void callForEver(FaultRank rank) {
    for (long seed = 0; ; seed++) {
      rank.calls().run(seed % 5);
    }
  }
}
