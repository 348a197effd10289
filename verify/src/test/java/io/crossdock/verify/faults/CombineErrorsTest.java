package io.crossdock.verify.faults;

import static io.crossdock.verify.faults.Fault.copy;
import static io.crossdock.verify.faults.Fault.freed;
import static io.crossdock.verify.faults.Fault.invalid;
import static io.crossdock.verify.faults.Fault.tensor;
import static io.crossdock.verify.faults.FaultRank.HIDDEN;
import static io.crossdock.verify.faults.FaultRank.TOPK;

import io.crossdock.core.CombineInput;
import io.crossdock.core.CombineOptions;
import io.crossdock.core.DType;
import io.crossdock.core.DispatchInput;
import io.crossdock.core.DispatchOptions;
import io.crossdock.core.DispatchResult;
import io.crossdock.core.InvalidInputException;
import io.crossdock.core.Tensor;
import io.crossdock.verify.harness.RankThreads;
import java.lang.foreign.Arena;
import java.util.function.Function;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/// A combine that one rank makes with a wrong argument.
class CombineErrorsTest {
  @ParameterizedTest
  @MethodSource({"outputs", "weights", "biases", "memory", "targets"})
  void isRefusedByTwoRanks(Fault fault) throws Exception {
    fault.refuse(2, FaultRank::goodCombine);
  }

  @ParameterizedTest
  @MethodSource({"outputs", "weights", "biases", "memory", "targets"})
  void isRefusedByThreeRanks(Fault fault) throws Exception {
    fault.refuse(3, FaultRank::goodCombine);
  }

  private static FaultRank.Call combine(UnaryOperator<CombineInput> change) {
    return rank -> rank.buffer().combine(change.apply(rank.outputs()), rank.handle());
  }

  private static FaultRank.Call withOutputs(Function<Tensor, Tensor> y) {
    return combine(input -> CombineInput.of(y.apply(input.y())));
  }

  private static FaultRank.Call withWeights(Function<Tensor, Tensor> weights) {
    return combine(
        input -> input.withTopkWeights(weights.apply(input.topkWeights().orElseThrow())));
  }

  private static FaultRank.Call withBias(Function<Long, Tensor> bias) {
    return rank -> {
      long tokens = rank.handle().numTokens();
      Tensor good = tensor(DType.BF16, tokens, HIDDEN);
      CombineInput input = rank.outputs().withBias(good, bias.apply(tokens));
      rank.buffer().combine(input, rank.handle());
    };
  }

  static Stream<Fault> outputs() {
    String wrong = "y has the wrong shape";
    return Stream.of(
        invalid("outputs of F32", wrong, withOutputs(y -> tensor(DType.F32, y.shape()))),
        invalid("outputs of FP16", wrong, withOutputs(y -> tensor(DType.FP16, y.shape()))),
        invalid(
            "an output too many",
            wrong,
            withOutputs(y -> tensor(DType.BF16, y.size(0) + 1, HIDDEN))),
        invalid("no outputs", wrong, withOutputs(y -> tensor(DType.BF16, 0, HIDDEN))),
        invalid(
            "narrow outputs", wrong, withOutputs(y -> tensor(DType.BF16, y.size(0), HIDDEN - 8))),
        invalid("outputs of one dimension", wrong, withOutputs(y -> tensor(DType.BF16, HIDDEN))));
  }

  static Stream<Fault> weights() {
    String wrong = "topkWeights has the wrong shape";
    return Stream.of(
        invalid("weights of BF16", wrong, withWeights(w -> tensor(DType.BF16, w.shape()))),
        invalid("too few weights", wrong, withWeights(w -> tensor(DType.F32, w.size(0), TOPK - 1))),
        invalid(
            "weights of other rows",
            wrong,
            withWeights(w -> tensor(DType.F32, w.size(0) + 1, TOPK))));
  }

  static Stream<Fault> biases() {
    String wrong = "bias1 has the wrong shape";
    return Stream.of(
        invalid("bias of F32", wrong, withBias(n -> tensor(DType.F32, n, HIDDEN))),
        invalid("bias of other tokens", wrong, withBias(n -> tensor(DType.BF16, n + 1, HIDDEN))),
        invalid("narrow bias", wrong, withBias(n -> tensor(DType.BF16, n, 8))));
  }

  static Stream<Fault> memory() {
    return Stream.of(
        invalid("freed outputs", "y lies in memory that was freed", withOutputs(Fault::freed)),
        invalid(
            "freed weights",
            "topkWeights lies in memory that was freed",
            withWeights(Fault::freed)),
        invalid(
            "freed bias",
            "bias1 lies in memory that was freed",
            withBias(n -> freed(tensor(DType.BF16, n, HIDDEN)))),
        invalid(
            "confined outputs",
            "y lies in memory confined to one thread",
            confined(arena -> withOutputs(y -> copy(y, arena)))),
        invalid(
            "confined weights",
            "topkWeights lies in memory confined to one thread",
            confined(arena -> withWeights(w -> copy(w, arena)))),
        invalid(
            "confined bias",
            "bias1 lies in memory confined to one thread",
            confined(arena -> withBias(n -> Tensor.allocate(arena, DType.BF16, n, HIDDEN)))));
  }

  private static FaultRank.Call confined(Function<Arena, FaultRank.Call> call) {
    return rank -> {
      try (Arena arena = Arena.ofConfined()) {
        call.apply(arena).make(rank);
      }
    };
  }

  static Stream<Fault> targets() {
    return Stream.of(
        invalid(
            "sums in memory confined to one thread",
            "confined to one thread",
            confined(arena ->
                rank ->
                    rank.buffer()
                        .combine(
                            rank.outputs(),
                            rank.handle(),
                            CombineOptions.DEFAULT.withAllocator(arena)))));
  }

  @ParameterizedTest
  @ValueSource(ints = {2, 3})
  void weightsNeedADispatchWithChoices(int numRanks) throws Exception {
    FaultRank.Expected expected =
        new FaultRank.Expected(InvalidInputException.class, "dispatch had no top-k");
    RankThreads.run(
        numRanks,
        group -> {
          try (FaultRank rank = FaultRank.open(group)) {
            DispatchResult plain = dispatchWithoutChoices(rank);
            CombineInput input = CombineInput.of(tensor(DType.BF16, plain.recvX().shape()));
            Tensor weights = tensor(DType.F32, plain.numRecvTokens(), TOPK);
            rank.expectRefusal(
                1,
                expected,
                r -> r.buffer().combine(input.withTopkWeights(weights), plain.handle()),
                r -> r.buffer().combine(input, plain.handle()));
          }
        });
  }

  private static DispatchResult dispatchWithoutChoices(FaultRank rank) {
    DispatchOptions owned =
        DispatchOptions.DEFAULT.withPlacement(io.crossdock.core.Placement.owned(Arena.ofAuto()));
    DispatchInput rows = DispatchInput.rows(rank.batch().x());
    return rank.buffer().dispatch(rows, rank.layout(), owned);
  }
}
