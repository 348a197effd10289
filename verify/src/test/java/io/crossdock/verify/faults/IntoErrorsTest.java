package io.crossdock.verify.faults;

import static io.crossdock.core.DType.BF16;
import static io.crossdock.core.DType.FP16;
import static io.crossdock.verify.faults.Fault.invalid;
import static io.crossdock.verify.faults.Fault.tensor;
import static io.crossdock.verify.faults.FaultRank.HIDDEN;
import static io.crossdock.verify.faults.FaultRank.MAX_TOKENS;
import static org.assertj.core.api.Assertions.assertThat;

import io.crossdock.core.CapacityException;
import io.crossdock.core.CombineInput;
import io.crossdock.core.CombineOptions;
import io.crossdock.core.DType;
import io.crossdock.core.DispatchInput;
import io.crossdock.core.DispatchOptions;
import io.crossdock.core.DispatchOutputs;
import io.crossdock.core.InvalidInputException;
import io.crossdock.core.Tensor;
import io.crossdock.verify.harness.ExactCalls;
import io.crossdock.verify.harness.RankThreads;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.util.Optional;
import java.util.function.Function;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/// Calls into outputs of the caller's that do not fit.
class IntoErrorsTest {
  private static final int CHANNELS = 128;
  private static final long SEED = 23;
  private static final int K = FaultRank.TOPK;

  @ParameterizedTest
  @MethodSource("dispatches")
  void dispatchIsRefusedByTwoRanks(Fault fault) throws Exception {
    fault.refuse(2, FaultRank::goodDispatch);
  }

  @ParameterizedTest
  @MethodSource("dispatches")
  void dispatchIsRefusedByThreeRanks(Fault fault) throws Exception {
    fault.refuse(3, FaultRank::goodDispatch);
  }

  @ParameterizedTest
  @MethodSource("combines")
  void combineIsRefusedByTwoRanks(Fault fault) throws Exception {
    fault.refuse(2, FaultRank::goodCombine);
  }

  @ParameterizedTest
  @MethodSource("combines")
  void combineIsRefusedByThreeRanks(Fault fault) throws Exception {
    fault.refuse(3, FaultRank::goodCombine);
  }

  /// {@return as many rows as can arrive}
  private static long allRows(FaultRank rank) {
    return (long) rank.group().size() * MAX_TOKENS;
  }

  private static FaultRank.Call into(Function<FaultRank, DispatchOutputs> outputs) {
    return rank -> dispatch(rank, rank.batch().input(), outputs.apply(rank), 0);
  }

  private static void dispatch(
      FaultRank rank, DispatchInput input, DispatchOutputs outputs, long worst) {
    DispatchOptions options = DispatchOptions.DEFAULT.withNumWorstTokens(worst);
    rank.buffer().dispatchInto(input, rank.layout(), options, outputs);
  }

  private static DispatchOutputs outputs(FaultRank rank, DispatchInput like) {
    return rank.buffer().allocateOutputs(Arena.ofAuto(), like, allRows(rank));
  }

  private static DispatchOutputs outputs(FaultRank rank) {
    return outputs(rank, rank.batch().input());
  }

  static Stream<Fault> dispatches() {
    return Stream.of(
        invalid("outputs of another dtype", "recvX", into(r -> outputs(r, other(r, FP16, K)))),
        invalid("narrow outputs", "recvX", into(r -> outputs(r, narrow(r)))),
        invalid(
            "outputs without scales",
            "recvScales",
            r -> dispatch(r, fp8(r, DType.F32), outputs(r, other(r, DType.FP8_E4M3, K)), 0)),
        invalid(
            "outputs with packed scales",
            "recvScales",
            r -> dispatch(r, fp8(r, DType.F32), outputs(r, fp8(r, DType.I32)), 0)),
        invalid(
            "outputs with scales for rows without",
            "recvScales",
            into(r -> outputs(r, r.batch().input().withScales(tensor(DType.F32, 1, 2))))),
        invalid(
            "outputs without choices",
            "recvTopkIdx",
            into(r -> outputs(r, DispatchInput.rows(r.batch().x())))),
        invalid("I32 outputs for I64 choices", "recvTopkIdx", into(r -> outputs(r, narrowIds(r)))),
        invalid("fewer columns", "recvTopkIdx", into(r -> outputs(r, other(r, BF16, K - 1)))),
        invalid(
            "outputs without weights",
            "recvTopkWeights",
            into(r -> outputs(r, DispatchInput.rows(r.batch().x()).withTopkIdx(ids(r, K))))),
        invalid(
            "more worst-case rows than the outputs have",
            "numWorstTokens",
            r -> dispatch(r, r.batch().input(), outputs(r), allRows(r) + 1)),
        invalid(
            "freed outputs", "recvX lies in memory that was freed", into(IntoErrorsTest::freed)),
        invalid("confined outputs", "recvX lies in memory confined to one thread", confined()),
        invalid("outputs of another buffer", "handle belongs to another buffer", foreign()),
        invalid("outputs with a closed handle", "handle is closed", into(IntoErrorsTest::closed)));
  }

  private static Tensor ids(FaultRank rank, int topk) {
    return tensor(DType.I64, rank.batch().x().size(0), topk);
  }

  private static DispatchInput other(FaultRank rank, DType dtype, int topk) {
    long tokens = rank.batch().x().size(0);
    return DispatchInput.of(
        tensor(dtype, tokens, HIDDEN), ids(rank, topk), tensor(DType.F32, tokens, topk));
  }

  private static DispatchInput narrow(FaultRank rank) {
    DispatchInput input = rank.batch().input();
    return new DispatchInput(
        tensor(BF16, 1, HIDDEN / 2), Optional.empty(), input.topkIdx(), input.topkWeights());
  }

  private static DispatchInput fp8(FaultRank rank, DType scales) {
    long columns = scales == DType.I32 ? 1 : HIDDEN / CHANNELS;
    return other(rank, DType.FP8_E4M3, K)
        .withScales(tensor(scales, rank.batch().x().size(0), columns));
  }

  private static DispatchInput narrowIds(FaultRank rank) {
    ExactCalls.Batch batch = rank.batch();
    return batch.input().withTopkIdx(tensor(DType.I32, batch.topkIdx().shape()));
  }

  private static DispatchOutputs freed(FaultRank rank) {
    try (Arena arena = Arena.ofShared()) {
      return rank.buffer().allocateOutputs(arena, rank.batch().input(), allRows(rank));
    }
  }

  private static DispatchOutputs closed(FaultRank rank) {
    DispatchOutputs outputs = outputs(rank);
    outputs.handle().close();
    return outputs;
  }

  private static FaultRank.Call confined() {
    return rank -> {
      try (Arena arena = Arena.ofConfined()) {
        DispatchInput input = rank.batch().input();
        dispatch(rank, input, rank.buffer().allocateOutputs(arena, input, allRows(rank)), 0);
      }
    };
  }

  private static FaultRank.Call foreign() {
    return rank -> Foreign.with(o -> dispatch(rank, rank.batch().input(), outputs(o), 0));
  }

  static Stream<Fault> combines() {
    return Stream.of(
        invalid(
            "sums of F32",
            "combinedX has the wrong shape",
            combineInto(n -> tensor(DType.F32, n, HIDDEN), n -> tensor(DType.F32, n, K))),
        invalid(
            "sums of other tokens",
            "combinedX has the wrong shape",
            combineInto(n -> tensor(DType.BF16, n + 1, HIDDEN), n -> tensor(DType.F32, n, K))),
        invalid(
            "no place for the weights",
            "weights are summed but have no output",
            combineInto(n -> tensor(DType.BF16, n, HIDDEN), n -> null)),
        invalid(
            "too few weights",
            "combinedTopkWeights has the wrong shape",
            combineInto(n -> tensor(DType.BF16, n, HIDDEN), n -> tensor(DType.F32, n, K - 1))),
        invalid(
            "freed sums",
            "combinedX lies in memory that was freed",
            combineInto(
                n -> Fault.freed(tensor(DType.BF16, n, HIDDEN)), n -> tensor(DType.F32, n, K))),
        invalid(
            "confined sums",
            "combinedX lies in memory confined to one thread",
            rank -> {
              try (Arena arena = Arena.ofConfined()) {
                combineInto(
                        n -> Tensor.allocate(arena, DType.BF16, n, HIDDEN),
                        n -> tensor(DType.F32, n, K))
                    .make(rank);
              }
            }));
  }

  private static FaultRank.Call combineInto(
      Function<Long, Tensor> sums, Function<Long, Tensor> weights) {
    return rank -> {
      long tokens = rank.handle().numTokens();
      rank.buffer()
          .combineInto(
              rank.outputs(),
              rank.handle(),
              CombineOptions.DEFAULT,
              sums.apply(tokens),
              weights.apply(tokens));
    };
  }

  /// A dispatch that was refused must not touch what the one before it left in the same outputs.
  @ParameterizedTest
  @ValueSource(ints = {2, 3})
  void refusedDispatchLeavesTheOneBefore(int numRanks) throws Exception {
    FaultRank.Expected expected = new FaultRank.Expected(InvalidInputException.class, "expert=99");
    RankThreads.run(
        numRanks,
        group -> {
          try (FaultRank rank = FaultRank.open(group)) {
            ExactCalls.Batch first = rank.calls().batch(SEED);
            DispatchOutputs outputs = outputs(rank);
            rank.buffer()
                .dispatchInto(
                    first.input(), rank.calls().layout(first), DispatchOptions.DEFAULT, outputs);
            long epoch = outputs.handle().epoch();
            rank.expectRefusal(
                1,
                expected,
                r -> dispatch(r, badLastChoice(r), outputs, 0),
                r -> dispatch(r, r.batch().input(), outputs, 0));
            assertThat(outputs.handle().epoch()).isEqualTo(epoch);
            assertThat(outputs.handle().numTokens()).isEqualTo((int) first.x().size(0));
            CombineInput input =
                CombineInput.of(firstRows(outputs.recvX(), outputs))
                    .withTopkWeights(firstRows(outputs.recvTopkWeights().orElseThrow(), outputs));
            rank.calls().checkCombined(SEED, rank.buffer().combine(input, outputs.handle()));
          }
        });
  }

  private static Tensor firstRows(Tensor tensor, DispatchOutputs outputs) {
    return tensor.firstRows(outputs.numRecvTokens());
  }

  private static DispatchInput badLastChoice(FaultRank rank) {
    Tensor ids = Fault.copy(rank.batch().topkIdx(), Arena.ofAuto());
    ids.segment().setAtIndex(ValueLayout.JAVA_LONG, ids.numElements() - 1, 99);
    return rank.batch().input().withTopkIdx(ids);
  }

  /// Counts are known to all ranks, so all come to the same conclusion.
  @ParameterizedTest
  @ValueSource(ints = {2, 3})
  void tooFewOutputRowsFailOnAllRanks(int numRanks) throws Exception {
    FaultRank.Expected expected = new FaultRank.Expected(CapacityException.class, "outputRows=0");
    RankThreads.run(
        numRanks,
        group -> {
          try (FaultRank rank = FaultRank.open(group)) {
            long rows = rank.rank() == 1 ? 0 : allRows(rank);
            DispatchInput input = rank.batch().input();
            DispatchOutputs outputs = rank.buffer().allocateOutputs(Arena.ofAuto(), input, rows);
            rank.expectOnAll(expected, r -> dispatch(r, input, outputs, 0));
          }
        });
  }
}
