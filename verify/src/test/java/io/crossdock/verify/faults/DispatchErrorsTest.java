package io.crossdock.verify.faults;

import static io.crossdock.verify.faults.Fault.copy;
import static io.crossdock.verify.faults.Fault.freed;
import static io.crossdock.verify.faults.Fault.invalid;
import static io.crossdock.verify.faults.Fault.tensor;
import static io.crossdock.verify.faults.FaultRank.HIDDEN;
import static io.crossdock.verify.faults.FaultRank.MAX_TOKENS;
import static io.crossdock.verify.faults.FaultRank.TOPK;
import static org.assertj.core.api.Assertions.catchThrowable;

import io.crossdock.core.CallOptions;
import io.crossdock.core.DType;
import io.crossdock.core.DispatchConfig;
import io.crossdock.core.DispatchInput;
import io.crossdock.core.DispatchOptions;
import io.crossdock.core.EpBuffer;
import io.crossdock.core.InvalidInputException;
import io.crossdock.core.Layout;
import io.crossdock.core.Tensor;
import io.crossdock.verify.harness.ExactCalls;
import io.crossdock.verify.harness.RankThreads;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Optional;
import java.util.function.Function;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/// A dispatch that one rank makes with a wrong argument: it is told what is wrong, the others that
/// it refused, and the buffer goes on.
class DispatchErrorsTest {
  private static final long CHANNELS = 128;
  private static final MemorySegment SEGMENT = MemorySegment.ofArray(new byte[4]);

  @ParameterizedTest
  @MethodSource({"rows", "choices", "weights", "scales", "layouts", "memory", "options"})
  void isRefusedByTwoRanks(Fault fault) throws Exception {
    fault.refuse(2, FaultRank::goodDispatch);
  }

  @ParameterizedTest
  @MethodSource({"rows", "choices", "weights", "scales", "layouts", "memory", "options"})
  void isRefusedByThreeRanks(Fault fault) throws Exception {
    fault.refuse(3, FaultRank::goodDispatch);
  }

  private static FaultRank.Call dispatch(Function<ExactCalls.Batch, DispatchInput> input) {
    return rank -> rank.buffer().dispatch(input.apply(rank.batch()), rank.layout()).close();
  }

  private static FaultRank.Call withRows(Function<Long, Tensor> x) {
    return dispatch(batch ->
        DispatchInput.of(x.apply(batch.x().size(0)), batch.topkIdx(), batch.topkWeights()));
  }

  private static FaultRank.Call withTopk(Function<Tensor, Tensor> topkIdx) {
    return dispatch(
        batch -> DispatchInput.of(batch.x(), topkIdx.apply(batch.topkIdx()), batch.topkWeights()));
  }

  private static FaultRank.Call withWeights(Function<Tensor, Tensor> weights) {
    return dispatch(
        batch -> DispatchInput.of(batch.x(), batch.topkIdx(), weights.apply(batch.topkWeights())));
  }

  static Stream<Fault> rows() {
    return Stream.of(
        invalid("narrow rows", "x must be", withRows(n -> tensor(DType.BF16, n, HIDDEN / 2))),
        invalid("rows of one dimension", "x must be", withRows(n -> tensor(DType.BF16, HIDDEN))),
        invalid("rows of I32", "x must be", withRows(n -> tensor(DType.I32, n, HIDDEN))),
        invalid("rows of F32", "wider", withRows(n -> tensor(DType.F32, n, HIDDEN))),
        invalid(
            "too many tokens",
            "too many tokens: tokens=9, numMaxTokensPerRank=8",
            withRows(n -> tensor(DType.BF16, MAX_TOKENS + 1, HIDDEN))),
        invalid(
            "rows that do not fit the choices",
            "layout does not fit",
            withRows(n -> tensor(DType.BF16, n - 1, HIDDEN))));
  }

  static Stream<Fault> choices() {
    return Stream.of(
        invalid("expert above the last", "expert=12", withTopk(ids -> withId(ids, 12))),
        invalid("expert below -1", "expert=-2", withTopk(ids -> withId(ids, -2))),
        invalid(
            "expert far out of range", "expert=1099511627776", withTopk(t -> withId(t, 1L << 40))),
        invalid("repeated expert", "repeats an expert", withTopk(DispatchErrorsTest::repeated)),
        invalid(
            "choices of F32",
            "topkIdx must be",
            withTopk(ids -> tensor(DType.F32, ids.size(0), TOPK))),
        invalid(
            "choices of other tokens",
            "topkIdx must be",
            withTopk(ids -> tensor(DType.I64, ids.size(0) + 1, TOPK))),
        invalid(
            "choices of one dimension",
            "topkIdx must be",
            withTopk(ids -> tensor(DType.I64, ids.size(0)))),
        invalid(
            "too many choices",
            "topk is out of range: topk=4, bufferTopk=3",
            withTopk(ids -> tensor(DType.I64, ids.size(0), TOPK + 1))),
        invalid(
            "no choices",
            "topk is out of range: topk=0",
            withTopk(ids -> tensor(DType.I64, ids.size(0), 0))));
  }

  private static Tensor withId(Tensor like, long expert) {
    Tensor ids = copy(like, Arena.ofAuto());
    ids.segment().setAtIndex(ValueLayout.JAVA_LONG, ids.numElements() - 1, expert);
    return ids;
  }

  private static Tensor repeated(Tensor like) {
    Tensor ids = copy(like, Arena.ofAuto());
    ids.segment().setAtIndex(ValueLayout.JAVA_LONG, 0, 5);
    ids.segment().setAtIndex(ValueLayout.JAVA_LONG, TOPK - 1, 5);
    return ids;
  }

  static Stream<Fault> weights() {
    return Stream.of(
        invalid(
            "weights without choices",
            "topkWeights need topkIdx",
            dispatch(batch ->
                new DispatchInput(
                    batch.x(),
                    Optional.empty(),
                    Optional.empty(),
                    Optional.of(batch.topkWeights())))),
        invalid(
            "weights of BF16",
            "topkWeights has the wrong shape",
            withWeights(w -> tensor(DType.BF16, w.shape()))),
        invalid(
            "too few weights",
            "topkWeights has the wrong shape",
            withWeights(w -> tensor(DType.F32, w.size(0), TOPK - 1))),
        invalid(
            "weights of other tokens",
            "topkWeights has the wrong shape",
            withWeights(w -> tensor(DType.F32, w.size(0) + 1, TOPK))));
  }

  static Stream<Fault> scales() {
    return Stream.of(
        invalid(
            "scales with BF16 rows",
            "scales go with FP8 rows only",
            dispatch(b -> b.input().withScales(tensor(DType.F32, b.x().size(0), 2)))),
        invalid("FP8 rows without scales", "FP8 rows need scales", fp8(n -> null)),
        invalid(
            "scales of BF16",
            "scales has the wrong shape",
            fp8(n -> tensor(DType.BF16, n, HIDDEN / CHANNELS))),
        invalid(
            "too few scales",
            "scales has the wrong shape",
            fp8(n -> tensor(DType.F32, n, HIDDEN / CHANNELS - 1))),
        invalid(
            "scales of other tokens",
            "scales has the wrong shape",
            fp8(n -> tensor(DType.F32, n + 1, HIDDEN / CHANNELS))),
        invalid(
            "packed scales of the wrong width",
            "packed UE8M0 scales has the wrong shape",
            fp8(n -> tensor(DType.I32, n, HIDDEN / CHANNELS))),
        invalid(
            "scales that were freed",
            "scales lies in memory that was freed",
            fp8(n -> freed(tensor(DType.F32, n, HIDDEN / CHANNELS)))));
  }

  private static FaultRank.Call fp8(Function<Long, Tensor> scales) {
    return dispatch(batch -> {
      long tokens = batch.x().size(0);
      return new DispatchInput(
          tensor(DType.FP8_E4M3, tokens, HIDDEN),
          Optional.ofNullable(scales.apply(tokens)),
          Optional.of(batch.topkIdx()),
          Optional.of(batch.topkWeights()));
    });
  }

  static Stream<Fault> layouts() {
    return Stream.of(
        invalid(
            "layout of another batch",
            "layout does not",
            rank -> dispatchWith(rank, otherLayout(rank))),
        invalid(
            "layout of more experts",
            "numExperts must be",
            rank -> dispatchWith(rank, emptyLayout(rank, rank.group().size(), 24))),
        invalid(
            "layout of experts that do not divide",
            "numExperts must be",
            rank -> dispatchWith(rank, emptyLayout(rank, rank.group().size(), 7))),
        invalid(
            "layout of other ranks",
            "layout does not fit",
            rank -> dispatchWith(rank, emptyLayout(rank, rank.group().size() + 1, 12))));
  }

  private static void dispatchWith(FaultRank rank, Layout layout) {
    rank.buffer().dispatch(rank.batch().input(), layout).close();
  }

  private static Layout otherLayout(FaultRank rank) {
    Tensor nowhere = copy(rank.batch().topkIdx(), Arena.ofAuto());
    nowhere.segment().fill((byte) -1);
    return rank.buffer().layout(nowhere, 12);
  }

  private static Layout emptyLayout(FaultRank rank, int numRanks, int numExperts) {
    Layout layout =
        Layout.allocate(Arena.ofAuto(), new Layout.Sizes(MAX_TOKENS, numRanks, 1, numExperts));
    layout.filled((int) rank.batch().x().size(0), rank.buffer().memory());
    return layout;
  }

  static Stream<Fault> memory() {
    return Stream.of(
        invalid("freed rows", "x lies in memory that was freed", rows(Fault::freed)),
        invalid("freed choices", "topkIdx lies in memory that was freed", withTopk(Fault::freed)),
        invalid(
            "freed weights",
            "topkWeights lies in memory that was freed",
            withWeights(Fault::freed)),
        invalid(
            "freed layout",
            "layout lies in memory that was freed",
            rank -> dispatchWith(rank, freedLayout(rank))),
        invalid(
            "confined rows",
            "x lies in memory confined to one thread",
            confined(arena -> rows(t -> copy(t, arena)))),
        invalid(
            "confined choices",
            "topkIdx lies in memory confined to one thread",
            confined(arena -> withTopk(t -> copy(t, arena)))),
        invalid(
            "confined weights",
            "topkWeights lies in memory confined to one thread",
            confined(arena -> withWeights(t -> copy(t, arena)))));
  }

  private static FaultRank.Call rows(Function<Tensor, Tensor> change) {
    return dispatch(
        batch -> DispatchInput.of(change.apply(batch.x()), batch.topkIdx(), batch.topkWeights()));
  }

  private static FaultRank.Call confined(Function<Arena, FaultRank.Call> call) {
    return rank -> {
      try (Arena arena = Arena.ofConfined()) {
        call.apply(arena).make(rank);
      }
    };
  }

  private static Layout freedLayout(FaultRank rank) {
    try (Arena arena = Arena.ofShared()) {
      Layout layout = rank.buffer().allocateLayout(arena, 12);
      rank.buffer().layoutInto(rank.batch().topkIdx(), layout);
      return layout;
    }
  }

  static Stream<Fault> options() {
    return Stream.of(
        invalid(
            "more worst-case rows than a window holds",
            "numWorstTokens does not fit the window",
            rank ->
                rank.buffer()
                    .dispatch(
                        rank.batch().input(),
                        rank.layout(),
                        DispatchOptions.DEFAULT.withNumWorstTokens(MAX_TOKENS * 3 + 1))
                    .close()));
  }

  /// Asking for a layout is not collective: what is wrong with it concerns nobody else.
  @ParameterizedTest
  @MethodSource("numRanks")
  void layoutFailsAlone(int numRanks) throws Exception {
    RankThreads.run(
        numRanks,
        group -> {
          try (FaultRank rank = FaultRank.open(group)) {
            rank.takeLease();
            if (rank.rank() == 0) {
              checkLayouts(rank);
            }
            rank.checkUsable();
          }
        });
  }

  private static void checkLayouts(FaultRank rank) {
    EpBuffer buffer = rank.buffer();
    Tensor ids = rank.batch().topkIdx();
    expectInvalid("expert=12", () -> buffer.layout(withId(ids, 12), 12));
    expectInvalid("numExperts=6", () -> buffer.layout(withId(ids, 11), 6));
    expectInvalid("repeats an expert", () -> buffer.layout(repeated(ids), 12));
    expectInvalid("topkIdx must be", () -> buffer.layout(tensor(DType.F32, 2, TOPK), 12));
    expectInvalid("topkIdx must be", () -> buffer.layout(tensor(DType.I64, 2), 12));
    expectInvalid("topk=4", () -> buffer.layout(tensor(DType.I64, 2, TOPK + 1), 12));
    expectInvalid("numExperts=13", () -> buffer.layout(ids, 13));
    expectInvalid("numExperts=0", () -> buffer.layout(ids, 0));
    expectInvalid("memory that was freed", () -> buffer.layout(freed(ids), 12));
    expectInvalid("memory that was freed", () -> buffer.layoutInto(ids, freedLayout(rank)));
    expectInvalid("layoutRanks=7", () -> buffer.layoutInto(ids, emptyLayout(rank, 7, 12)));
    Layout small = Layout.allocate(Arena.ofAuto(), new Layout.Sizes(1, rank.group().size(), 1, 12));
    expectInvalid("maxTokens=1", () -> buffer.layoutInto(ids, small));
  }

  private static void expectInvalid(String fragment, Runnable call) {
    new FaultRank.Expected(InvalidInputException.class, fragment).check(catchThrowable(call::run));
  }

  @Test
  void optionsAreCheckedWhereTheyAreMade() {
    DispatchOptions options = DispatchOptions.DEFAULT;
    expectInvalid("expertAlignment=0", () -> options.withExpertAlignment(0));
    expectInvalid("numWorstTokens=-1", () -> options.withNumWorstTokens(-1));
    expectInvalid("numSms=-1", () -> new DispatchConfig(-1, 1, 1));
    expectInvalid("stages=0", () -> new DispatchConfig(1, 0, 1));
    expectInvalid("chunkRows=0", () -> new DispatchConfig(1, 1, 0));
    expectInvalid("allocateOnCommStream", () -> CallOptions.DEFAULT.allocateOnCommStream());
    expectInvalid("segment is too small", () -> Tensor.of(SEGMENT, DType.F32, 2));
    expectInvalid("tensor size is negative", () -> Tensor.of(SEGMENT, DType.F32, -1));
    expectInvalid("tensor address is null", () -> Tensor.ofAddress(0, DType.F32, 1));
  }

  /// What needs rows of another width than the other tests have.
  @ParameterizedTest
  @MethodSource("numRanks")
  void fp8RowsNeedWholeGroups(int numRanks) throws Exception {
    FaultRank.Expected expected =
        new FaultRank.Expected(InvalidInputException.class, "multiple of 128: hidden=136");
    RankThreads.run(
        numRanks,
        group -> {
          try (FaultRank rank = FaultRank.open(group, FaultRank.spec().hidden(136).build())) {
            FaultRank.Call wrong =
                dispatch(batch ->
                    DispatchInput.rows(tensor(DType.FP8_E4M3, batch.x().size(0), 136))
                        .withScales(tensor(DType.F32, batch.x().size(0), 1)));
            rank.expectRefusal(1, expected, wrong, FaultRank::goodDispatch);
          }
        });
  }

  static Stream<Integer> numRanks() {
    return Stream.of(2, 3);
  }
}
