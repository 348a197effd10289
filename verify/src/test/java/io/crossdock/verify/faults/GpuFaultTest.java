package io.crossdock.verify.faults;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;

import io.crossdock.core.CallOptions;
import io.crossdock.core.CapacityException;
import io.crossdock.core.CollectiveMismatchException;
import io.crossdock.core.CombineInput;
import io.crossdock.core.DType;
import io.crossdock.core.Device;
import io.crossdock.core.DispatchHandle;
import io.crossdock.core.DispatchInput;
import io.crossdock.core.DispatchOptions;
import io.crossdock.core.DispatchResult;
import io.crossdock.core.InvalidInputException;
import io.crossdock.core.Layout;
import io.crossdock.core.LeaseException;
import io.crossdock.core.Placement;
import io.crossdock.core.Tensor;
import io.crossdock.ffi.RawMemory;
import io.crossdock.verify.harness.ExactCalls;
import io.crossdock.verify.harness.OnCuda;
import io.crossdock.verify.harness.RankThreads;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.util.function.Consumer;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/// Wrong calls on a GPU: what the host sees at once, and what kernels find out and report.
@OnCuda
class GpuFaultTest {
  private static final int HIDDEN = FaultRank.HIDDEN;
  private static final int TOPK = FaultRank.TOPK;

  @ParameterizedTest
  @MethodSource({"choices", "hostChecks", "memory"})
  void dispatchIsRefusedByTwoRanks(Fault fault) throws Exception {
    fault.refuse(2, FaultRank::goodDispatch);
  }

  @ParameterizedTest
  @MethodSource("choices")
  void dispatchIsRefusedByThreeRanks(Fault fault) throws Exception {
    fault.refuse(3, FaultRank::goodDispatch);
  }

  @ParameterizedTest
  @MethodSource("outputs")
  void combineIsRefused(Fault fault) throws Exception {
    fault.refuse(3, FaultRank::goodCombine);
  }

  /// What only a kernel sees, in synchronous calls, asynchronous ones and those of known sizes.
  static Stream<Fault> choices() {
    DispatchOptions async = DispatchOptions.DEFAULT.withCall(CallOptions.DEFAULT.async());
    return Stream.of(
            DispatchOptions.DEFAULT,
            async,
            DispatchOptions.DEFAULT.withNumWorstTokens(16),
            async.withNumWorstTokens(16))
        .flatMap(GpuFaultTest::choices);
  }

  private static Stream<Fault> choices(DispatchOptions options) {
    boolean sized = options.numWorstTokens() > 0;
    String how = options.call().completion() + (sized ? ", sizes known" : "");
    return Stream.of(
        Fault.invalid("expert above the last: " + how, "expert=12", badId(options, 12)),
        Fault.invalid("expert below -1: " + how, "expert=-2", badId(options, -2)),
        Fault.invalid("far out of range: " + how, "expert=1099511627776", badId(options, 1L << 40)),
        Fault.invalid(
            "repeated: " + how,
            "a token repeats an expert: token=0, expert=5",
            r -> dispatch(r, changed(r, GpuFaultTest::repeat), options)),
        Fault.invalid(
            "foreign layout: " + how,
            "layout does not belong to topkIdx",
            r -> dispatch(r, foreignLayout(r), options)));
  }

  private static FaultRank.Call badId(DispatchOptions options, long expert) {
    Consumer<Tensor> change =
        ids -> ids.segment().setAtIndex(ValueLayout.JAVA_LONG, ids.numElements() - 1, expert);
    return rank -> dispatch(rank, changed(rank, change), options);
  }

  private static void repeat(Tensor ids) {
    ids.segment().setAtIndex(ValueLayout.JAVA_LONG, 0, 5);
    ids.segment().setAtIndex(ValueLayout.JAVA_LONG, 1, 5);
  }

  private static DispatchInput changed(FaultRank rank, Consumer<Tensor> change) {
    Tensor ids = rank.buffer().memory().toHost(rank.batch().topkIdx());
    change.accept(ids);
    return rank.batch().input().withTopkIdx(rank.buffer().memory().toDevice(ids));
  }

  private static DispatchInput foreignLayout(FaultRank rank) {
    return changed(rank, ids -> ids.segment().fill((byte) -1));
  }

  private static void dispatch(FaultRank rank, DispatchInput input, DispatchOptions options) {
    try (DispatchResult got = rank.buffer().dispatch(input, rank.layout(), options)) {
      got.event().currentStreamWait();
    }
  }

  private static FaultRank.Call with(UnaryOperator<DispatchInput> change) {
    return r -> dispatch(r, change.apply(r.batch().input()), DispatchOptions.DEFAULT);
  }

  private static Tensor tensor(FaultRank rank, DType dtype, long... shape) {
    return rank.buffer().memory().toDevice(Fault.tensor(dtype, shape));
  }

  static Stream<Fault> hostChecks() {
    return Stream.of(
        Fault.invalid(
            "narrow rows",
            "x must be",
            r ->
                dispatch(
                    r, rows(r, tensor(r, DType.BF16, 3, HIDDEN / 2)), DispatchOptions.DEFAULT)),
        Fault.invalid(
            "rows that do not fit the layout",
            "layout does not fit",
            r -> dispatch(r, rows(r, tensor(r, DType.BF16, 1, HIDDEN)), DispatchOptions.DEFAULT)),
        Fault.invalid(
            "scales with BF16 rows",
            "scales go with FP8 rows only",
            r ->
                dispatch(
                    r,
                    r.batch().input().withScales(tensor(r, DType.F32, 1, 2)),
                    DispatchOptions.DEFAULT)),
        Fault.invalid(
            "more worst-case rows than a window holds",
            "does not fit the window",
            r -> dispatch(r, r.batch().input(), DispatchOptions.DEFAULT.withNumWorstTokens(99))));
  }

  private static DispatchInput rows(FaultRank rank, Tensor x) {
    ExactCalls.Batch batch = rank.batch();
    return DispatchInput.of(x, batch.topkIdx(), batch.topkWeights());
  }

  /// Where tensors must not lie.
  static Stream<Fault> memory() {
    return Stream.of(
        Fault.invalid(
            "rows on the host",
            "x lies on another device: device=host, engineDevice=cuda:",
            r ->
                dispatch(
                    r,
                    rows(r, r.buffer().memory().toHost(r.batch().x())),
                    DispatchOptions.DEFAULT)),
        Fault.invalid(
            "choices on the host",
            "topkIdx lies on another device: device=host",
            with(in -> in.withTopkIdx(Fault.tensor(DType.I64, in.x().size(0), TOPK)))),
        Fault.invalid(
            "rows on another GPU",
            "x lies on another device: device=cuda:7",
            r -> dispatch(r, rows(r, elsewhere(r.batch().x())), DispatchOptions.DEFAULT)),
        Fault.invalid(
            "freed rows",
            "x lies in memory that was freed",
            r -> dispatch(r, rows(r, freed(r.batch().x())), DispatchOptions.DEFAULT)),
        Fault.invalid(
            "outputs on the host",
            "allocator lies on another device: device=host",
            r ->
                dispatch(
                    r,
                    r.batch().input(),
                    DispatchOptions.DEFAULT.withPlacement(Placement.owned(Arena.ofAuto())))));
  }

  private static Tensor elsewhere(Tensor like) {
    return Tensor.ofAddress(Device.cuda(7), like.segment().address(), like.dtype(), like.shape());
  }

  private static Tensor freed(Tensor like) {
    try (Arena arena = Arena.ofShared()) {
      return Tensor.of(
          like.device(),
          RawMemory.view(like.segment().address(), 0, arena),
          like.dtype(),
          like.shape());
    }
  }

  static Stream<Fault> outputs() {
    return Stream.of(
        Fault.invalid(
            "an output too many",
            "y has the wrong shape",
            r -> combine(r, tensor(r, DType.BF16, r.outputs().y().size(0) + 1, HIDDEN))),
        Fault.invalid(
            "outputs on the host",
            "y lies on another device: device=host",
            r -> combine(r, r.buffer().memory().toHost(r.outputs().y()))),
        Fault.invalid(
            "freed outputs",
            "y lies in memory that was freed",
            r -> combine(r, freed(r.outputs().y()))));
  }

  private static void combine(FaultRank rank, Tensor y) {
    rank.buffer().combine(CombineInput.of(y), rank.handle());
  }

  /// Ranks that make different calls: the last one is odd.
  static Stream<CallMismatchTest.Mismatch> mismatches() {
    FaultRank.Call fresh = FaultRank::goodDispatch;
    return Stream.of(
        new CallMismatchTest.Mismatch(
            "kind=FRESH_DISPATCH against COMBINE", FaultRank::goodCombine, fresh),
        new CallMismatchTest.Mismatch(
            "kind=FRESH_DISPATCH against CACHED_DISPATCH", GpuFaultTest::cached, fresh),
        new CallMismatchTest.Mismatch("rowBytes=512 against 256", GpuFaultTest::fp8, fresh),
        new CallMismatchTest.Mismatch(
            "weights=1 against 0", r -> combine(r, r.outputs().y()), FaultRank::goodCombine));
  }

  private static void cached(FaultRank rank) {
    Tensor x = tensor(rank, DType.BF16, rank.handle().numTokens(), HIDDEN);
    rank.buffer().dispatch(DispatchInput.rows(x), rank.handle(), DispatchOptions.DEFAULT).close();
  }

  private static void fp8(FaultRank rank) {
    long tokens = rank.batch().x().size(0);
    DispatchInput input =
        rows(rank, tensor(rank, DType.FP8_E4M3, tokens, HIDDEN))
            .withScales(tensor(rank, DType.F32, tokens, HIDDEN / 128));
    dispatch(rank, input, DispatchOptions.DEFAULT);
  }

  @ParameterizedTest
  @MethodSource("mismatches")
  void differentCallsFailOnAllRanks(CallMismatchTest.Mismatch mismatch) throws Exception {
    FaultRank.Expected expected =
        new FaultRank.Expected(CollectiveMismatchException.class, mismatch.difference());
    RankThreads.run(
        3,
        group -> {
          try (FaultRank rank = FaultRank.open(group)) {
            boolean odd = group.rank() == 2;
            rank.expectOnAll(expected, odd ? mismatch.odd() : mismatch.usual());
          }
        });
  }

  @ParameterizedTest
  @ValueSource(ints = {2, 3})
  void differentHandlesFailOnAllRanks(int numRanks) throws Exception {
    FaultRank.Expected expected =
        new FaultRank.Expected(CollectiveMismatchException.class, "handleEpoch=");
    RankThreads.run(
        numRanks,
        group -> {
          try (FaultRank rank = FaultRank.open(group)) {
            DispatchHandle first = handle(rank);
            DispatchHandle second = handle(rank);
            DispatchHandle mine = rank.rank() == 0 ? first : second;
            Tensor y = tensor(rank, DType.BF16, mine.numRecvTokens(), HIDDEN);
            rank.expectOnAll(expected, r -> r.buffer().combine(CombineInput.of(y), mine));
          }
        });
  }

  private static DispatchHandle handle(FaultRank rank) {
    try (DispatchResult got = rank.buffer().dispatch(rank.batch().input(), rank.layout())) {
      return got.handle();
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {2, 3})
  void tooFewWorstCaseRows(int numRanks) throws Exception {
    FaultRank.Expected expected = new FaultRank.Expected(CapacityException.class, "outputRows=1");
    DispatchOptions few = DispatchOptions.DEFAULT.withNumWorstTokens(1);
    DispatchOptions async = few.withCall(CallOptions.DEFAULT.async());
    RankThreads.run(
        numRanks,
        group -> {
          try (FaultRank rank = FaultRank.open(group)) {
            rank.expectOnAll(expected, r -> dispatch(r, r.batch().input(), few));
            rank.expectOnAll(expected, r -> dispatch(r, r.batch().input(), async));
            Placement owned = Placement.owned(rank.buffer().memory().allocator());
            DispatchOptions fewOwned = few.withPlacement(owned);
            rank.expectOnAll(expected, r -> dispatch(r, r.batch().input(), fewOwned));
          }
        });
  }

  @ParameterizedTest
  @ValueSource(ints = {2, 3})
  void windowTooSmallForABorrowedResult(int numRanks) throws Exception {
    FaultRank.Expected expected =
        new FaultRank.Expected(CapacityException.class, "windowRows=2, remedy=");
    RankThreads.run(
        numRanks,
        group -> {
          try (FaultRank rank = FaultRank.open(group, FaultRank.spec().capacityRows(2).build())) {
            for (long seed = 0; seed < 3; seed++) {
              expected.check(catchThrowable(rank::goodDispatch));
              inRounds(rank, seed);
            }
          }
        });
  }

  private static void inRounds(FaultRank rank, long seed) {
    ExactCalls.Batch batch = rank.calls().batch(seed);
    Placement owned = Placement.owned(rank.buffer().memory().allocator());
    Layout layout = rank.calls().layout(batch);
    DispatchResult got =
        rank.buffer().dispatch(batch.input(), layout, DispatchOptions.DEFAULT.withPlacement(owned));
    rank.calls().check(seed, got);
    rank.calls().combine(seed, got);
  }

  @ParameterizedTest
  @ValueSource(ints = {2, 3})
  void leaseHeldOnOneRankOnly(int numRanks) throws Exception {
    RankThreads.run(
        numRanks,
        group -> {
          try (FaultRank rank = FaultRank.open(group)) {
            for (int guilty = 0; guilty < numRanks; guilty++) {
              DispatchResult second = rank.calls().dispatch(guilty);
              if (rank.rank() != guilty) {
                second.close();
              }
              rank.expectRefusal(
                  guilty,
                  new FaultRank.Expected(LeaseException.class, ":LEASE@epoch"),
                  FaultRank::goodDispatch,
                  FaultRank::goodDispatch,
                  r -> second.close());
            }
          }
        });
  }

  /// Asking for a layout is not collective: a kernel finds the fault, and nobody else hears of it.
  @ParameterizedTest
  @ValueSource(ints = {1, 3})
  void layoutFailsAlone(int numRanks) throws Exception {
    RankThreads.run(
        numRanks,
        group -> {
          try (FaultRank rank = FaultRank.open(group)) {
            rank.takeLease();
            if (rank.rank() == 0) {
              expectNoLayout(
                  rank,
                  "expert=12",
                  ids ->
                      ids.segment().setAtIndex(ValueLayout.JAVA_LONG, ids.numElements() - 1, 12));
              expectNoLayout(rank, "a token repeats an expert: token=0", GpuFaultTest::repeat);
            }
            rank.checkUsable();
          }
        });
  }

  private static void expectNoLayout(FaultRank rank, String fragment, Consumer<Tensor> change) {
    Tensor ids = changed(rank, change).topkIdx().orElseThrow();
    assertThat(catchThrowable(() -> rank.buffer().layout(ids, 12)))
        .isExactlyInstanceOf(InvalidInputException.class)
        .hasMessageContaining(fragment);
  }
}
