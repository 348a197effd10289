package io.crossdock.verify.faults;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;

import io.crossdock.core.AbortedException;
import io.crossdock.core.BufferClosedException;
import io.crossdock.core.CombineInput;
import io.crossdock.core.DispatchInput;
import io.crossdock.core.DispatchOptions;
import io.crossdock.core.DispatchResult;
import io.crossdock.core.Layout;
import io.crossdock.core.PeerLeftException;
import io.crossdock.core.WaitTimeoutException;
import io.crossdock.cuda.driver.Context;
import io.crossdock.cuda.driver.Gpu;
import io.crossdock.verify.harness.OnCuda;
import io.crossdock.verify.harness.RankThreads;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/// Ranks that do not come to a call on a GPU, leave, or close; and what is left behind.
@OnCuda
class GpuEndsTest {
  private static final Duration TIMEOUT = Duration.ofSeconds(1);
  private static final Duration LATE = Duration.ofSeconds(5);
  private static final int ABSENT = 2;
  private static final long SLACK_BYTES = 64L << 20;

  /// Kernels that wait for the absent rank leave by themselves, name it, and give the GPU back.
  @ParameterizedTest
  @MethodSource("io.crossdock.verify.faults.WaitBoundsTest#calls")
  void rankThatNeverComes(WaitBoundsTest.Missed missed) throws Exception {
    RankThreads.run(
        3,
        group -> {
          try (FaultRank rank =
              FaultRank.open(group, FaultRank.spec().gpuTimeout(TIMEOUT).build())) {
            rank.takeLease();
            long epoch = rank.handle().epoch();
            group.barrier();
            String outcome = rank.rank() == ABSENT ? "" : miss(rank, missed, epoch);
            byte[][] all = group.allGather(outcome.getBytes(StandardCharsets.UTF_8));
            assertThat(Arrays.stream(all).map(b -> new String(b, StandardCharsets.UTF_8)))
                .contains("WaitTimeoutException");
            checkAborted(rank);
            rank.buffer().reset();
            rank.checkLease();
            rank.takeLease();
            rank.checkUsable();
          }
        });
  }

  private static String miss(FaultRank rank, WaitBoundsTest.Missed missed, long epoch) {
    long start = System.nanoTime();
    Throwable thrown = catchThrowable(() -> missed.call().make(rank));
    Duration took = Duration.ofNanos(System.nanoTime() - start);
    assertThat(took).as("time until the exception").isLessThan(TIMEOUT.plus(LATE));
    if (thrown instanceof WaitTimeoutException timeout) {
      WaitTimeoutException.Facts facts = timeout.facts();
      assertThat(facts.rank()).isEqualTo(rank.rank());
      assertThat(facts.peer()).isEqualTo(ABSENT);
      assertThat(facts.phase()).isEqualTo("ENTER");
      assertThat(facts.expected()).isEqualTo(epoch + 1);
      assertThat(facts.seen()).isLessThan(epoch + 1);
      assertThat(Duration.ofNanos(facts.waitedNanos())).isBetween(TIMEOUT, TIMEOUT.plus(LATE));
    } else {
      assertThat(thrown)
          .isInstanceOfAny(AbortedException.class, BufferClosedException.class)
          .hasMessageContaining("reason=peer did not arrive: rank=" + (1 - rank.rank()))
          .hasMessageContaining("peer=2, phase=ENTER, expected=" + (epoch + 1));
    }
    return thrown.getClass().getSimpleName();
  }

  private static void checkAborted(FaultRank rank) {
    for (FaultRank.Call call :
        List.<FaultRank.Call>of(
            FaultRank::goodDispatch,
            FaultRank::goodCombine,
            r -> r.buffer().combineBuffer(r.handle()))) {
      assertThat(catchThrowable(() -> call.make(rank)))
          .isInstanceOfAny(BufferClosedException.class, AbortedException.class)
          .hasMessageContaining("peer did not arrive");
    }
  }

  /// The peers wait inside their kernels when a rank closes its buffer.
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
                    PeerLeftException.class, AbortedException.class, BufferClosedException.class)
                .hasMessageContaining("peer=0");
            assertThat(took).isLessThan(FaultRank.TIMEOUT.dividedBy(2));
          }
          rank.close();
          rank.close();
          rank.endLease();
        });
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 3})
  void closedBufferSaysSo(int numRanks) throws Exception {
    RankThreads.run(
        numRanks,
        group -> {
          FaultRank rank = FaultRank.open(group);
          rank.takeLease();
          group.barrier();
          DispatchInput input = rank.batch().input();
          Layout layout = rank.layout();
          rank.close();
          rank.close();
          Stream.<FaultRank.Call>of(
                  r -> r.buffer().dispatch(input, layout),
                  r -> r.buffer().dispatch(input, r.handle(), DispatchOptions.DEFAULT),
                  FaultRank::goodCombine,
                  r -> r.buffer().combineBuffer(r.handle()),
                  r -> r.buffer().reset())
              .forEach(call ->
                  assertThat(catchThrowable(() -> call.make(rank)))
                      .isExactlyInstanceOf(BufferClosedException.class)
                      .hasMessageContaining("buffer is closed: rank=" + rank.rank()));
          rank.endLease();
        });
  }

  /// Results that outlive their buffer can be closed, and handles end with their buffer.
  @Test
  void openAndCloseGivesAllMemoryBack() throws Exception {
    useOnce();
    Context context = Context.retain(Gpu.of(0));
    long before = context.freeBytes();
    for (int i = 0; i < 10; i++) {
      useOnce();
    }
    assertThat(before - context.freeBytes()).as("device bytes lost").isLessThan(SLACK_BYTES);
  }

  private static void useOnce() throws Exception {
    RankThreads.run(
        2,
        group -> {
          // 200 MB of windows a rank: if they are lost, one round is enough to see it.
          FaultRank rank = FaultRank.open(group, FaultRank.spec().capacityRows(100_000).build());
          DispatchResult got = dispatch(rank);
          rank.buffer().combine(CombineInput.of(got.recvX()), got.handle());
          group.barrier();
          rank.close();
          got.close();
        });
  }

  private static DispatchResult dispatch(FaultRank rank) {
    return rank.buffer().dispatch(rank.batch().input(), rank.layout());
  }
}
