package io.crossdock.verify.faults;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;

import io.crossdock.core.AbortedException;
import io.crossdock.core.BufferClosedException;
import io.crossdock.core.CallOptions;
import io.crossdock.core.CombineOptions;
import io.crossdock.core.CrossdockException;
import io.crossdock.core.DispatchOptions;
import io.crossdock.core.WaitTimeoutException;
import io.crossdock.core.group.GroupOptions;
import io.crossdock.core.group.PeerMissingException;
import io.crossdock.verify.harness.Bounded;
import io.crossdock.verify.harness.RankThreads;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/// Every wait ends: in time, with facts, on every rank, and a reset makes the buffer usable again.
/// A rank hears of another's failure in its own call, or when it makes that call too late.
class WaitBoundsTest {
  private static final Duration TIMEOUT = Duration.ofSeconds(2);

  /// Of a group, whose verdict on who is missing comes a quarter earlier.
  private static final Duration GROUP_TIMEOUT = Duration.ofSeconds(3);

  /// Generous: what a loaded machine may add to a wait.
  private static final Duration LATE = Duration.ofSeconds(5);

  private static final int ABSENT = 2;

  /// A call that the last rank does not make.
  ///
  /// @param name of the test
  /// @param call of the others
  record Missed(String name, FaultRank.Call call) {
    @Override
    public String toString() {
      return name;
    }
  }

  static Stream<Missed> calls() {
    DispatchOptions async = DispatchOptions.DEFAULT.withCall(CallOptions.DEFAULT.async());
    CombineOptions late = CombineOptions.DEFAULT.withCall(CallOptions.DEFAULT.async());
    return Stream.of(
        new Missed("dispatch", FaultRank::goodDispatch),
        new Missed(
            "asynchronous dispatch",
            r -> r.buffer().dispatch(r.batch().input(), r.layout(), async).close()),
        new Missed("combine", FaultRank::goodCombine),
        new Missed(
            "asynchronous combine",
            r -> r.buffer().combine(r.outputs(), r.handle(), late).event().currentStreamWait()));
  }

  @ParameterizedTest
  @MethodSource("calls")
  void rankThatNeverComes(Missed missed) throws Exception {
    RankThreads.run(
        3,
        group -> {
          try (FaultRank rank =
              FaultRank.open(group, FaultRank.spec().hostTimeout(TIMEOUT).build())) {
            rank.takeLease();
            long epoch = rank.handle().epoch();
            group.barrier();
            if (rank.rank() != ABSENT) {
              checkMissed(rank, missed, epoch);
            }
            checkAborted(rank);
            rank.buffer().reset();
            rank.checkLease();
            rank.takeLease();
            rank.checkUsable();
          }
        });
  }

  private static void checkMissed(FaultRank rank, Missed missed, long epoch) {
    long start = System.nanoTime();
    Throwable thrown = catchThrowable(() -> missed.call.make(rank));
    Duration took = Duration.ofNanos(System.nanoTime() - start);
    assertThat(took).isLessThan(TIMEOUT.plus(LATE));
    if (thrown instanceof WaitTimeoutException timeout) {
      WaitTimeoutException.Facts facts = timeout.facts();
      assertThat(facts.rank()).isEqualTo(rank.rank());
      assertThat(facts.peer()).isEqualTo(ABSENT);
      assertThat(facts.phase()).isEqualTo("ENTER");
      assertThat(facts.expected()).isEqualTo(epoch + 1);
      assertThat(facts.seen()).isLessThan(epoch + 1);
      assertThat(Duration.ofNanos(facts.waitedNanos())).isBetween(TIMEOUT, TIMEOUT.plus(LATE));
      return;
    }
    assertThat(thrown)
        .isInstanceOfAny(AbortedException.class, BufferClosedException.class)
        .hasMessageContaining("reason=peer did not arrive: rank=" + (1 - rank.rank()))
        .hasMessageContaining("peer=2, phase=ENTER, expected=" + (epoch + 1) + ", seen=");
  }

  /// Every rank, the late one too, is told why, until all reset the buffer.
  private static void checkAborted(FaultRank rank) {
    rank.group().barrier();
    Bounded.await(
        "abort is known here",
        LATE,
        () ->
            catchThrowable(() -> rank.buffer().combineBuffer(rank.handle()).close())
                instanceof BufferClosedException);
    for (FaultRank.Call call :
        List.<FaultRank.Call>of(
            FaultRank::goodDispatch,
            FaultRank::goodCombine,
            r -> r.buffer().combineBuffer(r.handle()))) {
      assertThat(catchThrowable(() -> call.make(rank)))
          .isExactlyInstanceOf(BufferClosedException.class)
          .hasMessageContaining("buffer was aborted and not reset: origin=")
          .hasMessageContaining("reason=peer did not arrive: rank=")
          .hasMessageContaining("peer=2, phase=ENTER");
    }
  }

  /// At least one rank itself waited to the end; the others may have heard of it.
  @Test
  void someRankNamesTheAbsentOne() throws Exception {
    RankThreads.run(
        3,
        group -> {
          try (FaultRank rank =
              FaultRank.open(group, FaultRank.spec().hostTimeout(TIMEOUT).build())) {
            String outcome = "";
            if (rank.rank() != ABSENT) {
              outcome = catchThrowable(rank::goodDispatch).getClass().getSimpleName();
            }
            byte[][] all = group.allGather(outcome.getBytes(StandardCharsets.UTF_8));
            List<String> names =
                Arrays.stream(all).map(b -> new String(b, StandardCharsets.UTF_8)).toList();
            assertThat(names).contains("WaitTimeoutException");
          }
        });
  }

  @Test
  void interruptEndsAWait() throws Exception {
    RankThreads.run(
        3,
        group -> {
          try (FaultRank rank = FaultRank.open(group)) {
            group.barrier();
            long start = System.nanoTime();
            if (rank.rank() == 0) {
              Thread.currentThread().interrupt();
              assertThat(catchThrowable(rank::goodDispatch))
                  .isExactlyInstanceOf(CrossdockException.class)
                  .hasMessageContaining("interrupted while waiting for a peer: rank=0");
              assertThat(Thread.interrupted()).as("interrupt status is kept").isTrue();
            } else if (rank.rank() == 1) {
              assertThat(catchThrowable(rank::goodDispatch))
                  .isInstanceOfAny(AbortedException.class, BufferClosedException.class)
                  .hasMessageContaining("origin=0, reason=interrupted while waiting");
            }
            Duration took = Duration.ofNanos(System.nanoTime() - start);
            assertThat(took).isLessThan(FaultRank.TIMEOUT.dividedBy(2));
            group.barrier();
            rank.buffer().reset();
            rank.takeLease();
            rank.checkUsable();
          }
        });
  }

  /// A reset is collective as well, and so is opening: the group's own bound holds.
  @Test
  void resetThatOneRankDoesNotMake() throws Exception {
    CountDownLatch over = new CountDownLatch(2);
    GroupOptions options = GroupOptions.defaults().withTimeout(GROUP_TIMEOUT);
    RankThreads.run(
        3,
        options,
        group -> {
          try (FaultRank rank = FaultRank.open(group)) {
            if (rank.rank() == ABSENT) {
              over.await();
              return;
            }
            long start = System.nanoTime();
            Throwable thrown = catchThrowable(() -> rank.buffer().reset());
            over.countDown();
            Duration took = Duration.ofNanos(System.nanoTime() - start);
            assertThat(took).isLessThan(GROUP_TIMEOUT.plus(LATE));
            assertThat(thrown).isInstanceOf(PeerMissingException.class);
            assertThat(((PeerMissingException) thrown).missingRanks()).containsExactly(ABSENT);
          }
        });
  }

  @Test
  void openThatOneRankDoesNotMake() throws Exception {
    CountDownLatch over = new CountDownLatch(2);
    GroupOptions options = GroupOptions.defaults().withTimeout(GROUP_TIMEOUT);
    RankThreads.run(
        3,
        options,
        group -> {
          if (group.rank() == ABSENT) {
            over.await();
            return;
          }
          Throwable thrown = catchThrowable(() -> FaultRank.open(group).close());
          over.countDown();
          assertThat(thrown)
              .isInstanceOf(PeerMissingException.class)
              .hasMessageContaining("missing=[2]");
        });
  }
}
