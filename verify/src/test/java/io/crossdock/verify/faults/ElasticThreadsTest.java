package io.crossdock.verify.faults;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;

import io.crossdock.core.CrossdockException;
import io.crossdock.core.InvalidInputException;
import io.crossdock.core.LowLatencyCombineOptions;
import io.crossdock.core.LowLatencyCombineResult;
import io.crossdock.core.LowLatencyCompletion;
import io.crossdock.core.LowLatencyDispatchResult;
import io.crossdock.core.MaskedException;
import io.crossdock.core.RecvHook;
import io.crossdock.core.RefusedException;
import io.crossdock.verify.harness.RankThreads;
import java.time.Duration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// Masks of low-latency mode, by time-outs and by hand, and how ranks come back.
class ElasticThreadsTest {
  private static final Duration SHORT = Duration.ofSeconds(2);
  private static final Duration LONG = Duration.ofSeconds(30);

  /// Generous: what a loaded machine may add to a wait.
  private static final Duration LATE = Duration.ofSeconds(8);

  private static final int ABSENT = 2;
  private static final int CALLS = 30;

  private static Duration since(long start) {
    return Duration.ofNanos(System.nanoTime() - start);
  }

  /// The others lose one time-out, not one each call.
  @Test
  void rankThatNeverCalls() throws Exception {
    RankThreads.run(
        4,
        group -> {
          try (ElasticRank rank = ElasticRank.open(group, SHORT)) {
            rank.calls().run(0, 4);
            group.barrier();
            if (rank.rank() != ABSENT) {
              long start = System.nanoTime();
              rank.calls().run(10);
              assertThat(since(start)).isBetween(SHORT, SHORT.plus(LATE));
              rank.expectMasked(ABSENT);
              rank.calls().run(11, CALLS);
              rank.buffer().cleanLowLatencyBuffer();
              rank.expectMasked(ABSENT);
            }
            group.barrier();
            if (rank.rank() == ABSENT) {
              assertThat(catchThrowable(() -> rank.calls().run(10)))
                  .isExactlyInstanceOf(MaskedException.class);
              rank.expectMasked();
            }
            rank.buffer().cleanMask();
            rank.expectMasked();
            rank.calls().run(50, CALLS);
          }
        });
  }

  @Test
  void maskedByHandOnAll() throws Exception {
    RankThreads.run(
        3,
        group -> {
          try (ElasticRank rank = ElasticRank.open(group, LONG)) {
            rank.calls().run(0, 3);
            group.barrier();
            if (rank.rank() != ABSENT) {
              rank.buffer().updateMask(ABSENT, true);
              rank.buffer().updateMask(ABSENT, true);
              rank.expectMasked(ABSENT);
              rank.calls().run(100, CALLS);
            }
            rank.buffer().updateMask(ABSENT, false);
            rank.expectMasked();
            rank.calls().run(200, CALLS);
            assertThat(catchThrowable(() -> rank.buffer().updateMask(rank.rank(), true)))
                .isExactlyInstanceOf(InvalidInputException.class)
                .hasMessageContaining("a rank cannot mask itself");
            assertThat(catchThrowable(() -> rank.buffer().updateMask(3, true)))
                .isInstanceOf(IndexOutOfBoundsException.class);
            rank.calls().run(300, 3);
          }
        });
  }

  /// Ranks 0 and 2 do without each other, rank 1 with both.
  @Test
  void masksThatDiffer() throws Exception {
    RankThreads.run(
        3,
        group -> {
          try (ElasticRank rank = ElasticRank.open(group, LONG)) {
            rank.calls().run(0, 3);
            maskEachOther(rank);
            rank.calls().run(100, CALLS);
            rank.buffer().cleanLowLatencyBuffer();
            rank.buffer().cleanMask();
            rank.expectMasked();
            rank.calls().run(200, CALLS);
          }
        });
  }

  private static void maskEachOther(ElasticRank rank) {
    rank.group().barrier();
    if (rank.rank() != 1) {
      rank.buffer().updateMask(2 - rank.rank(), true);
      rank.expectMasked(2 - rank.rank());
    }
    rank.group().barrier();
  }

  /// What a rank did not send in the dispatch would not be sent back: nobody sums it.
  @Test
  void handleFromBefore() throws Exception {
    RankThreads.run(
        3,
        group -> {
          try (ElasticRank rank = ElasticRank.open(group, LONG)) {
            rank.calls().run(0, 3);
            maskEachOther(rank);
            LowLatencyDispatchResult got = rank.calls().dispatch(100);
            rank.buffer().cleanMask();
            assertThat(
                    catchThrowable(
                        () -> rank.calls().combine(100, got, LowLatencyCombineOptions.DEFAULT)))
                .isInstanceOfAny(InvalidInputException.class, RefusedException.class)
                .hasMessageContaining("the dispatch was made before ranks came back: rank=");
            got.close();
            rank.calls().run(200, CALLS);
          }
        });
  }

  /// One rank alone gives another up: that one is told, in each call, and the third one does not
  /// wait for it.
  @Test
  void maskedByOneRankOnly() throws Exception {
    RankThreads.run(
        3,
        group -> {
          try (ElasticRank rank = ElasticRank.open(group, LONG)) {
            rank.calls().run(0, 3);
            group.barrier();
            if (rank.rank() == 0) {
              rank.buffer().updateMask(ABSENT, true);
            }
            group.barrier();
            long start = System.nanoTime();
            for (long seed = 100; seed < 110; seed++) {
              callWithoutSums(rank, seed);
            }
            assertThat(since(start)).isLessThan(LONG.dividedBy(2));
            group.barrier();
            rank.buffer().cleanMask();
            rank.expectMasked();
            rank.calls().run(200, CALLS);
          }
        });
  }

  private static void callWithoutSums(ElasticRank rank, long seed) {
    if (rank.rank() != ABSENT) {
      rank.calls().dispatch(seed).close();
      return;
    }
    assertThat(catchThrowable(() -> rank.calls().dispatch(seed).close()))
        .isExactlyInstanceOf(MaskedException.class)
        .hasMessage("this rank was masked: rank=2, peer=0, remedy=cleanMask on all ranks");
  }

  /// The others do not wait longer than one time-out for a rank that does not come back, and go on
  /// without it; it comes back when all call again.
  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void rankThatDoesNotComeBack(boolean comesLate) throws Exception {
    RankThreads.run(
        4,
        group -> {
          try (ElasticRank rank = ElasticRank.open(group, SHORT)) {
            rank.calls().run(0, 3);
            group.barrier();
            if (rank.rank() != ABSENT) {
              long start = System.nanoTime();
              rank.buffer().cleanMask();
              assertThat(since(start)).isBetween(SHORT, SHORT.multipliedBy(2).plus(LATE));
              rank.expectMasked(ABSENT);
              rank.calls().run(100, CALLS);
            }
            group.barrier();
            if (rank.rank() == ABSENT && comesLate) {
              rank.buffer().cleanMask();
              rank.expectMasked(0, 1, 3);
              rank.calls().run(500, 3);
            }
            group.barrier();
            rank.buffer().cleanMask();
            rank.expectMasked();
            rank.calls().run(200, CALLS);
          }
        });
  }

  /// Many handshakes one after the other, some without a call in between.
  @Test
  void handshakesInARow() throws Exception {
    RankThreads.run(
        4,
        group -> {
          try (ElasticRank rank = ElasticRank.open(group, LONG)) {
            for (int i = 0; i < CALLS; i++) {
              rank.buffer().cleanMask();
              rank.buffer().updateMask(i % 4, false);
              rank.expectMasked();
              rank.calls().run(i);
              rank.buffer().cleanMask();
            }
          }
        });
  }

  @Test
  void hooksPendingAtTheHandshake() throws Exception {
    RankThreads.run(
        3,
        group -> {
          try (ElasticRank rank = ElasticRank.open(group, LONG)) {
            rank.calls().run(0, 3);
            LowLatencyDispatchResult whole = rank.calls().dispatch(4);
            LowLatencyCombineResult sums =
                rank.calls().combine(4, whole, LowLatencyCombineOptions.DEFAULT.hooked());
            LowLatencyDispatchResult sent = rank.calls().dispatch(5, ElasticCalls.BF16.hooked());
            rank.buffer().cleanMask();
            rank.calls().check(4, whole);
            expectAbandoned(sums.recvHook().orElseThrow());
            expectAbandoned(sent.recvHook().orElseThrow());
            whole.close();
            sent.close();
            rank.calls().run(100, CALLS);
            LowLatencyDispatchResult first = rank.calls().dispatch(200);
            rank.calls().run(201);
            rank.calls().combine(200, first);
            first.close();
          }
        });
  }

  private static void expectAbandoned(RecvHook hook) {
    assertThat(catchThrowable(hook::run))
        .isInstanceOf(CrossdockException.class)
        .hasMessageContaining("call was abandoned: rank=");
    hook.run();
    assertThat(hook.isDone()).isTrue();
  }

  /// What was sent to a rank that is given up lies where it is until it has read it: its sums are
  /// right, or it is told.
  @Test
  void rankThatReadsLate() throws Exception {
    RankThreads.run(
        3,
        group -> {
          try (ElasticRank rank = ElasticRank.open(group, SHORT)) {
            rank.calls().run(0, 4);
            LowLatencyDispatchResult first = rank.calls().dispatch(100);
            LowLatencyCombineResult sums =
                rank.calls().combine(100, first, LowLatencyCombineOptions.DEFAULT.hooked());
            LowLatencyDispatchResult second =
                rank.calls().dispatch(101, ElasticCalls.BF16.hooked());
            if (rank.rank() != ABSENT) {
              sums.recvHook().orElseThrow().run();
              rank.calls().checkSums(100, sums);
              second.recvHook().orElseThrow().run();
              rank.calls().check(101, second);
              rank.calls().combine(101, second);
              rank.expectMasked(ABSENT);
            }
            group.barrier();
            if (rank.rank() == ABSENT) {
              expectSumsOrMasked(rank, sums);
            }
            first.close();
            second.close();
            rank.buffer().cleanMask();
            rank.expectMasked();
            rank.calls().run(200, CALLS);
          }
        });
  }

  private static void expectSumsOrMasked(ElasticRank rank, LowLatencyCombineResult sums) {
    Throwable told = catchThrowable(() -> sums.recvHook().orElseThrow().run());
    if (told == null) {
      rank.calls().checkSums(100, sums);
    } else {
      assertThat(told).isExactlyInstanceOf(MaskedException.class);
    }
  }

  /// A handshake begins when the calls made before are over, those on the stream too.
  @Test
  void callsOnTheStreamAtTheHandshake() throws Exception {
    RankThreads.run(
        3,
        group -> {
          try (ElasticRank rank = ElasticRank.open(group, LONG)) {
            for (int i = 0; i < CALLS; i++) {
              LowLatencyDispatchResult got =
                  rank.calls()
                      .dispatch(
                          i, ElasticCalls.BF16.withCompletion(LowLatencyCompletion.ASYNC_FINISH));
              rank.buffer().cleanMask();
              got.event().currentStreamWait();
              rank.calls().check(i, got);
              got.close();
            }
            rank.calls().run(100, CALLS);
          }
        });
  }

  /// A rank that closes its buffer is masked, at once.
  @Test
  void rankThatCloses() throws Exception {
    RankThreads.run(
        3,
        group -> {
          try (ElasticRank rank = ElasticRank.open(group, LONG)) {
            rank.calls().run(0, 3);
            if (rank.rank() == ABSENT) {
              rank.buffer().close();
            } else {
              long start = System.nanoTime();
              rank.calls().run(100, CALLS);
              rank.expectMasked(ABSENT);
              rank.buffer().cleanMask();
              rank.expectMasked(ABSENT);
              rank.calls().run(200, CALLS);
              assertThat(since(start)).isLessThan(LONG.dividedBy(2));
            }
            group.barrier();
          }
        });
  }
}
