package io.crossdock.verify.contract.lowlatency;

import static io.crossdock.verify.contract.lowlatency.LowLatencyFaultRank.TOPK;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.crossdock.core.CollectiveMismatchException;
import io.crossdock.core.CombineFormat;
import io.crossdock.core.LowLatencyDispatchResult;
import io.crossdock.core.LowLatencyFormat;
import io.crossdock.core.RecvHook;
import io.crossdock.verify.contract.lowlatency.LowLatencyFaultRank.CombineArguments;
import io.crossdock.verify.contract.lowlatency.LowLatencyFaultRank.DispatchArguments;
import io.crossdock.verify.contract.lowlatency.LowLatencyRun.Dispatched;
import io.crossdock.verify.harness.RankThreads;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/// Ranks that make different low-latency calls: all are told, nothing is delivered, and the buffer
/// goes on.
class LowLatencyMismatchTest {
  private static final int HIDDEN = 256;
  private static final LowLatencyFaultRank.Expected MISMATCH =
      new LowLatencyFaultRank.Expected(CollectiveMismatchException.class, "");

  /// Two calls that do not go together.
  ///
  /// Safe for any thread.
  ///
  /// @param name of the test
  /// @param one call
  /// @param other call
  record Pair(String name, LowLatencyFaultRank.Call one, LowLatencyFaultRank.Call other) {
    @Override
    public String toString() {
      return name;
    }
  }

  private interface DispatchChange {
    void apply(LowLatencyFaultRank rank, DispatchArguments arguments);
  }

  private static LowLatencyFaultRank.Call dispatch(DispatchChange change) {
    return rank -> {
      DispatchArguments arguments = rank.dispatchArguments();
      change.apply(rank, arguments);
      rank.make(arguments).close();
    };
  }

  /// With choices that exist in either case.
  private static void halfTheExperts(LowLatencyFaultRank rank) {
    DispatchArguments arguments = rank.dispatchArguments();
    arguments.numExperts /= 2;
    arguments.topkIdx = rank.tensors().ids(new long[rank.run().data().ids.length / TOPK], 1);
    rank.make(arguments).close();
  }

  private static LowLatencyFaultRank.Call encodedCombine() {
    return rank -> {
      CombineArguments arguments = rank.combineArguments();
      arguments.options = arguments.options.withFormat(CombineFormat.LOGFMT10);
      rank.make(arguments);
    };
  }

  private static void clean(LowLatencyFaultRank rank) {
    rank.buffer().cleanLowLatencyBuffer();
  }

  static Stream<Pair> pairs() {
    LowLatencyFaultRank.Call dispatch = LowLatencyFaultRank::goodDispatch;
    LowLatencyFaultRank.Call combine = LowLatencyFaultRank::goodCombine;
    LowLatencyFaultRank.Call clean = LowLatencyMismatchTest::clean;
    return Stream.of(
        new Pair("dispatch and combine", dispatch, combine),
        new Pair("dispatch and clean", dispatch, clean),
        new Pair("combine and clean", combine, clean),
        new Pair(
            "formats of a dispatch",
            dispatch,
            dispatch((rank, a) -> a.options = a.options.withFormat(LowLatencyFormat.BF16))),
        new Pair(
            "kinds of scales",
            dispatch,
            dispatch((rank, a) -> a.options = a.options.withFormat(LowLatencyFormat.FP8_UE8M0))),
        new Pair("numbers of experts", dispatch, LowLatencyMismatchTest::halfTheExperts),
        new Pair("most tokens", dispatch, dispatch((rank, a) -> a.numMaxTokens++)),
        new Pair("formats of a combine", combine, encodedCombine()));
  }

  private static void differ(int numRanks, int oddRank, Pair pair) throws Exception {
    LowLatencyExpected exact = LowLatencyFaultRank.expected(numRanks, LowLatencyFormat.FP8, HIDDEN);
    RankThreads.run(
        numRanks,
        group -> {
          try (LowLatencyFaultRank rank = LowLatencyFaultRank.open(group, exact)) {
            boolean odd = group.rank() == oddRank;
            rank.expectOnAll(MISMATCH, odd ? pair.one : pair.other);
            rank.expectOnAll(MISMATCH, odd ? pair.other : pair.one);
          }
        });
  }

  @ParameterizedTest
  @MethodSource("pairs")
  void twoRanksMakeDifferentCalls(Pair pair) throws Exception {
    differ(2, 0, pair);
  }

  @ParameterizedTest
  @MethodSource("pairs")
  void oneOfThreeRanksMakesAnotherCall(Pair pair) throws Exception {
    differ(3, 1, pair);
  }

  /// The one rank combines along one dispatch, the other along another.
  @Test
  void handlesOfDifferentDispatchesDoNotGoTogether() throws Exception {
    LowLatencyExpected exact = LowLatencyFaultRank.expected(2, LowLatencyFormat.FP8, HIDDEN);
    RankThreads.run(
        2,
        group -> {
          try (LowLatencyFaultRank rank = LowLatencyFaultRank.open(group, exact)) {
            Dispatched second = rank.run().dispatch();
            rank.run().finish(second);
            second.result().close();
            CombineArguments arguments = rank.combineArguments();
            if (group.rank() == 1) {
              arguments.handle = second.result().handle();
            }
            rank.expectOnAll(MISMATCH, guilty -> guilty.make(arguments));
          }
        });
  }

  /// The send half knows nothing of the peers' call; the hook tells, and its result is over then.
  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void aHookTellsOfDifferentCalls(boolean closedBefore) throws Exception {
    LowLatencyExpected exact = LowLatencyFaultRank.expected(2, LowLatencyFormat.FP8, HIDDEN);
    RankThreads.run(
        2,
        group -> {
          try (LowLatencyFaultRank rank = LowLatencyFaultRank.open(group, exact)) {
            DispatchArguments arguments = rank.dispatchArguments();
            arguments.options = arguments.options.hooked();
            if (group.rank() == 1) {
              arguments.options = arguments.options.withFormat(LowLatencyFormat.BF16);
            }
            LowLatencyDispatchResult result = rank.make(arguments);
            RecvHook hook = result.recvHook().orElseThrow();
            if (closedBefore) {
              result.close();
            }
            assertThatThrownBy(hook::run).isInstanceOf(CollectiveMismatchException.class);
            assertThatCode(hook::run).doesNotThrowAnyException();
            result.close();
            rank.checkUsable();
          }
        });
  }
}
