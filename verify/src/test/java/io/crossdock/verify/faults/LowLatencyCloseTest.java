package io.crossdock.verify.faults;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;

import io.crossdock.core.AbortedException;
import io.crossdock.core.BufferClosedException;
import io.crossdock.core.BufferSpec;
import io.crossdock.core.LowLatencyCombineOptions;
import io.crossdock.core.LowLatencyCombineResult;
import io.crossdock.core.LowLatencyCompletion;
import io.crossdock.core.LowLatencyDispatchResult;
import io.crossdock.core.PeerLeftException;
import io.crossdock.core.WaitTimeoutException;
import io.crossdock.core.group.ProcessGroup;
import io.crossdock.verify.harness.EngineUnderTest;
import io.crossdock.verify.harness.RankThreads;
import java.lang.foreign.ValueLayout;
import java.time.Duration;
import java.util.SplittableRandom;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.RepeatedTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// Buffers in low-latency mode that are closed while something of theirs is under way.
class LowLatencyCloseTest {
  private static final Duration LONG = Duration.ofSeconds(30);
  private static final long SECONDS = 30;

  private static ElasticRank open(ProcessGroup group, boolean shrinks, Duration timeout) {
    BufferSpec spec = ElasticRank.spec(group.size(), timeout).enableShrink(shrinks).build();
    return ElasticRank.open(group, spec);
  }

  /// The hooks throw afterwards, and nothing of the results can be read.
  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void closeDuringAPendingHook(boolean shrinks) throws Exception {
    RankThreads.run(
        3,
        group -> {
          ElasticRank rank = open(group, shrinks, LONG);
          rank.calls().run(0, 3);
          LowLatencyDispatchResult whole = rank.calls().dispatch(4);
          LowLatencyCombineResult sums =
              rank.calls().combine(4, whole, LowLatencyCombineOptions.DEFAULT.hooked());
          LowLatencyDispatchResult sent = rank.calls().dispatch(5, ElasticCalls.BF16.hooked());
          rank.close();
          rank.close();
          assertThat(catchThrowable(sums.recvHook().orElseThrow()::run))
              .isExactlyInstanceOf(BufferClosedException.class);
          assertThat(catchThrowable(sent.recvHook().orElseThrow()::run))
              .isExactlyInstanceOf(BufferClosedException.class);
          assertThat(catchThrowable(() -> rank.calls().run(6)))
              .isExactlyInstanceOf(BufferClosedException.class);
          assertThat(catchThrowable(() -> rank.buffer().cleanMask()))
              .isExactlyInstanceOf(BufferClosedException.class);
          assertThat(catchThrowable(() -> rank.buffer().queryMask()))
              .isExactlyInstanceOf(BufferClosedException.class);
          if (!EngineUnderTest.isCuda()) {
            assertThat(catchThrowable(() -> sent.recvX().segment().get(ValueLayout.JAVA_BYTE, 0)))
                .isInstanceOf(IllegalStateException.class);
          }
          whole.close();
          sent.close();
        });
  }

  /// Closing waits for the call in flight, as long as one of its waits may take.
  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void closeDuringAWaitOfAnotherThread(boolean shrinks) throws Exception {
    Duration timeout = Duration.ofSeconds(2);
    RankThreads.run(
        2,
        group -> {
          ElasticRank rank = open(group, shrinks, timeout);
          rank.calls().run(0, 3);
          group.barrier();
          if (rank.rank() == 0) {
            LowLatencyDispatchResult sent = rank.calls().dispatch(5, ElasticCalls.BF16.hooked());
            CompletableFuture<Throwable> hook =
                CompletableFuture.supplyAsync(() -> catchThrowable(sent.recvHook().get()::run));
            long start = System.nanoTime();
            rank.close();
            Duration took = Duration.ofNanos(System.nanoTime() - start);
            assertThat(took).isLessThan(timeout.multipliedBy(3).plusSeconds(5));
            Throwable thrown = hook.get(SECONDS, TimeUnit.SECONDS);
            if (thrown == null) {
              assertThat(shrinks).as("the peer never came").isTrue();
            } else {
              assertThat(thrown)
                  .isInstanceOfAny(
                      WaitTimeoutException.class,
                      AbortedException.class,
                      BufferClosedException.class);
            }
          }
          group.barrier();
          rank.close();
        });
  }

  /// Peers that wait hear of it at once: they go on without the rank, or are told that it left.
  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void closeWhilePeersWait(boolean shrinks) throws Exception {
    RankThreads.run(
        3,
        group -> {
          ElasticRank rank = open(group, shrinks, LONG);
          rank.calls().run(0, 3);
          group.barrier();
          if (rank.rank() > 0) {
            long start = System.nanoTime();
            Throwable thrown = catchThrowable(() -> rank.calls().run(4));
            if (shrinks) {
              assertThat(thrown).isNull();
              rank.expectMasked(0);
              rank.calls().run(5, 20);
            } else {
              assertThat(thrown)
                  .isInstanceOfAny(
                      PeerLeftException.class, AbortedException.class, BufferClosedException.class)
                  .hasMessageContaining("peer left during a call: rank=")
                  .hasMessageContaining("peer=0")
                  .hasMessageMatching("(?s).*phase=(RECEIVE|ANNOUNCE), expected=.*")
                  .hasMessageContaining("seen=");
            }
            assertThat(Duration.ofNanos(System.nanoTime() - start)).isLessThan(LONG.dividedBy(2));
          }
          rank.close();
        });
  }

  @Test
  void closeAfterCallsOnTheStream() throws Exception {
    RankThreads.run(
        3,
        group -> {
          ElasticRank rank = open(group, false, LONG);
          for (int seed = 0; seed < 20; seed++) {
            LowLatencyDispatchResult got =
                rank.calls()
                    .dispatch(
                        seed, ElasticCalls.BF16.withCompletion(LowLatencyCompletion.ASYNC_FINISH));
            got.close();
          }
          rank.calls()
              .dispatch(20, ElasticCalls.BF16.withCompletion(LowLatencyCompletion.ASYNC_FINISH));
          rank.close();
        });
  }

  /// Whenever the buffers are closed, calls end with one of the exceptions for it, or go on without
  /// the peer, and all results that come are exact.
  @RepeatedTest(20)
  void closeAtAnyMoment() throws Exception {
    long seed = System.nanoTime();
    boolean shrinks = new SplittableRandom(seed).nextBoolean();
    RankThreads.run(
        2,
        group -> {
          ElasticRank rank = open(group, shrinks, LONG);
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

  /// Results go with the buffer, so checking one may fail: then the buffer says why.
  private static void callForEver(ElasticRank rank) {
    try {
      for (long seed = 0; ; seed++) {
        rank.calls().run(seed);
      }
    } catch (IllegalStateException e) {
      rank.buffer().cleanLowLatencyBuffer();
      throw e;
    }
  }
}
