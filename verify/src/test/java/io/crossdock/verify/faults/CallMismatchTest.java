package io.crossdock.verify.faults;

import static io.crossdock.verify.faults.Fault.tensor;
import static io.crossdock.verify.faults.FaultRank.HIDDEN;

import io.crossdock.core.CollectiveMismatchException;
import io.crossdock.core.CombineInput;
import io.crossdock.core.DType;
import io.crossdock.core.DispatchHandle;
import io.crossdock.core.DispatchInput;
import io.crossdock.core.DispatchOptions;
import io.crossdock.core.DispatchResult;
import io.crossdock.core.Tensor;
import io.crossdock.verify.harness.ExactCalls;
import io.crossdock.verify.harness.RankThreads;
import java.lang.foreign.Arena;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/// Ranks that make different calls: all of them learn what differs and the buffer goes on.
class CallMismatchTest {
  /// What the last rank does while the others do something else.
  ///
  /// @param difference part of the message
  /// @param odd of the last rank
  /// @param usual of the others
  record Mismatch(String difference, FaultRank.Call odd, FaultRank.Call usual) {
    @Override
    public String toString() {
      return difference;
    }
  }

  @ParameterizedTest
  @MethodSource("mismatches")
  void failsOnTwoRanks(Mismatch mismatch) throws Exception {
    fails(2, mismatch);
  }

  @ParameterizedTest
  @MethodSource("mismatches")
  void failsOnThreeRanks(Mismatch mismatch) throws Exception {
    fails(3, mismatch);
  }

  private static void fails(int numRanks, Mismatch mismatch) throws Exception {
    FaultRank.Expected expected =
        new FaultRank.Expected(CollectiveMismatchException.class, mismatch.difference);
    RankThreads.run(
        numRanks,
        group -> {
          try (FaultRank rank = FaultRank.open(group)) {
            boolean last = group.rank() == numRanks - 1;
            rank.expectOnAll(expected, last ? mismatch.odd : mismatch.usual);
          }
        });
  }

  static Stream<Mismatch> mismatches() {
    FaultRank.Call fresh = FaultRank::goodDispatch;
    return Stream.of(
        new Mismatch("kind=FRESH_DISPATCH against COMBINE", FaultRank::goodCombine, fresh),
        new Mismatch(
            "kind=FRESH_DISPATCH against CACHED_DISPATCH", CallMismatchTest::cached, fresh),
        new Mismatch(
            "kind=CACHED_DISPATCH against COMBINE",
            FaultRank::goodCombine,
            CallMismatchTest::cached),
        new Mismatch("rowBytes=512 against 256", CallMismatchTest::fp8, fresh),
        new Mismatch("dtype=", r -> dispatch(r, rows(r, DType.FP16), 12), fresh),
        new Mismatch("topk=3 against 2", r -> dispatch(r, choices(r, DType.I64, 2), 12), fresh),
        new Mismatch(
            "indexBytes=8 against 4", r -> dispatch(r, choices(r, DType.I32, 3), 12), fresh),
        new Mismatch("numExperts=12 against 6", r -> dispatch(r, few(r), 6), fresh),
        new Mismatch("weights=1 against 0", CallMismatchTest::withoutWeights, fresh),
        new Mismatch("topk=3 against 0", CallMismatchTest::withoutChoices, fresh),
        new Mismatch(
            "weights=1 against 0",
            r -> r.buffer().combine(CombineInput.of(r.outputs().y()), r.handle()),
            FaultRank::goodCombine));
  }

  private static void dispatch(FaultRank rank, DispatchInput input, int numExperts) {
    Tensor ids = input.topkIdx().orElseThrow();
    rank.buffer().dispatch(input, rank.buffer().layout(ids, numExperts)).close();
  }

  private static void cached(FaultRank rank) {
    DispatchInput rows = DispatchInput.rows(tensor(DType.BF16, rank.handle().numTokens(), HIDDEN));
    rank.buffer().dispatch(rows, rank.handle(), DispatchOptions.DEFAULT).close();
  }

  private static DispatchInput rows(FaultRank rank, DType dtype) {
    ExactCalls.Batch batch = rank.batch();
    return DispatchInput.of(tensor(dtype, batch.x().shape()), batch.topkIdx(), batch.topkWeights());
  }

  private static void fp8(FaultRank rank) {
    Tensor scales = tensor(DType.F32, rank.batch().x().size(0), HIDDEN / 128);
    dispatch(rank, rows(rank, DType.FP8_E4M3).withScales(scales), 12);
  }

  private static DispatchInput choices(FaultRank rank, DType dtype, int topk) {
    long tokens = rank.batch().x().size(0);
    Tensor ids = tensor(dtype, tokens, topk);
    ids.segment().fill((byte) -1);
    return DispatchInput.of(rank.batch().x(), ids, tensor(DType.F32, tokens, topk));
  }

  private static DispatchInput few(FaultRank rank) {
    return choices(rank, DType.I64, FaultRank.TOPK);
  }

  private static void withoutWeights(FaultRank rank) {
    DispatchInput input = DispatchInput.rows(rank.batch().x()).withTopkIdx(rank.batch().topkIdx());
    dispatch(rank, input, 12);
  }

  private static void withoutChoices(FaultRank rank) {
    DispatchInput input = DispatchInput.rows(rank.batch().x());
    rank.buffer().dispatch(input, rank.layout()).close();
  }

  /// Handles of different dispatches must not be mixed, though they may have the same shape.
  @ParameterizedTest
  @ValueSource(ints = {2, 3})
  void differentHandlesFail(int numRanks) throws Exception {
    FaultRank.Expected expected =
        new FaultRank.Expected(CollectiveMismatchException.class, "handleEpoch=");
    RankThreads.run(
        numRanks,
        group -> {
          try (FaultRank rank = FaultRank.open(group);
              Arena arena = Arena.ofShared()) {
            DispatchHandle first = dispatchOnce(rank);
            DispatchHandle second = dispatchOnce(rank);
            DispatchHandle mine = rank.rank() == 0 ? first : second;
            Tensor y = Tensor.allocate(arena, DType.BF16, mine.numRecvTokens(), FaultRank.HIDDEN);
            rank.expectOnAll(expected, r -> r.buffer().combine(CombineInput.of(y), mine));
            rank.expectOnAll(
                expected,
                r ->
                    r.buffer()
                        .dispatch(
                            new DispatchInput(
                                r.batch().x(),
                                Optional.empty(),
                                Optional.empty(),
                                Optional.empty()),
                            mine,
                            DispatchOptions.DEFAULT));
          }
        });
  }

  private static DispatchHandle dispatchOnce(FaultRank rank) {
    try (DispatchResult result = rank.buffer().dispatch(rank.batch().input(), rank.layout())) {
      return result.handle();
    }
  }
}
