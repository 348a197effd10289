package io.crossdock.verify.faults;

import static io.crossdock.verify.faults.Fault.nullArgument;
import static org.assertj.core.api.Assertions.assertThatNullPointerException;

import io.crossdock.core.AllocationStream;
import io.crossdock.core.CallOptions;
import io.crossdock.core.CombineInput;
import io.crossdock.core.CombineOptions;
import io.crossdock.core.Completion;
import io.crossdock.core.DType;
import io.crossdock.core.DispatchHandle;
import io.crossdock.core.DispatchInput;
import io.crossdock.core.DispatchOptions;
import io.crossdock.core.DispatchOutputs;
import io.crossdock.core.EpBuffer;
import io.crossdock.core.Layout;
import io.crossdock.core.Placement;
import io.crossdock.core.Tensor;
import java.lang.foreign.Arena;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/// An argument that is null: named on the rank that forgot it, refused towards the others.
class NullArgumentsTest {
  @ParameterizedTest
  @MethodSource("dispatches")
  void dispatchIsRefused(Fault fault) throws Exception {
    fault.refuse(3, FaultRank::goodDispatch);
  }

  @ParameterizedTest
  @MethodSource("combines")
  void combineIsRefused(Fault fault) throws Exception {
    fault.refuse(3, FaultRank::goodCombine);
  }

  static Stream<Fault> dispatches() {
    return Stream.of(
        nullArgument("input", r -> r.buffer().dispatch(null, r.layout())),
        nullArgument("layout", r -> r.buffer().dispatch(r.batch().input(), null)),
        nullArgument("options", r -> r.buffer().dispatch(r.batch().input(), r.layout(), null)),
        nullArgument("input", r -> cached(r, null, r.handle(), DispatchOptions.DEFAULT)),
        nullArgument("handle", r -> cached(r, rows(r), null, DispatchOptions.DEFAULT)),
        nullArgument("options", r -> cached(r, rows(r), r.handle(), null)),
        nullArgument("input", r -> into(r, null, r.layout(), DispatchOptions.DEFAULT)),
        nullArgument("layout", r -> into(r, r.batch().input(), null, DispatchOptions.DEFAULT)),
        nullArgument("options", r -> into(r, r.batch().input(), r.layout(), null)),
        nullArgument(
            "outputs",
            r ->
                r.buffer()
                    .dispatchInto(r.batch().input(), r.layout(), DispatchOptions.DEFAULT, null)));
  }

  private static DispatchInput rows(FaultRank rank) {
    return DispatchInput.rows(rank.batch().x());
  }

  private static void cached(
      FaultRank rank, DispatchInput input, DispatchHandle handle, DispatchOptions options) {
    rank.buffer().dispatch(input, handle, options);
  }

  private static void into(
      FaultRank rank, DispatchInput input, Layout layout, DispatchOptions options) {
    DispatchOutputs outputs =
        rank.buffer().allocateOutputs(Arena.ofAuto(), rank.batch().input(), 24);
    rank.buffer().dispatchInto(input, layout, options, outputs);
  }

  static Stream<Fault> combines() {
    return Stream.of(
        nullArgument("input", r -> r.buffer().combine(null, r.handle())),
        nullArgument("handle", r -> r.buffer().combine(r.outputs(), null)),
        nullArgument("options", r -> r.buffer().combine(r.outputs(), r.handle(), null)),
        nullArgument("input", r -> into(r, null, r.handle(), CombineOptions.DEFAULT, sums(r))),
        nullArgument("handle", r -> into(r, r.outputs(), null, CombineOptions.DEFAULT, sums(r))),
        nullArgument("options", r -> into(r, r.outputs(), r.handle(), null, sums(r))),
        nullArgument(
            "combinedX", r -> into(r, r.outputs(), r.handle(), CombineOptions.DEFAULT, null)));
  }

  private static Tensor sums(FaultRank rank) {
    return Fault.tensor(DType.BF16, rank.handle().numTokens(), FaultRank.HIDDEN);
  }

  private static void into(
      FaultRank rank,
      CombineInput input,
      DispatchHandle handle,
      CombineOptions options,
      Tensor sums) {
    Tensor weights = Fault.tensor(DType.F32, rank.handle().numTokens(), FaultRank.TOPK);
    rank.buffer().combineInto(input, handle, options, sums, weights);
  }

  /// What concerns no peer fails here alone.
  @Test
  void localCallsNameTheArgument() throws Exception {
    Foreign.with(rank -> {
      EpBuffer buffer = rank.buffer();
      Tensor ids = rank.batch().topkIdx();
      assertNamed("topkIdx", () -> buffer.layout(null, 12));
      assertNamed("topkIdx", () -> buffer.layoutInto(null, rank.layout()));
      assertNamed("target", () -> buffer.layoutInto(ids, null));
      assertNamed("handle", () -> buffer.combineBuffer(null));
      rank.takeLease();
      rank.checkUsable();
    });
  }

  /// Records are checked where they are made, before any call.
  @Test
  @SuppressWarnings("NullOptional")
  void recordsNameTheComponent() {
    Tensor x = Fault.tensor(DType.BF16, 1, 8);
    assertNamed("x", () -> DispatchInput.rows(null));
    assertNamed("topkIdx", () -> DispatchInput.of(x, null, x));
    assertNamed("topkWeights", () -> DispatchInput.of(x, x, null));
    assertNamed("scales", () -> new DispatchInput(x, null, Optional.empty(), Optional.empty()));
    assertNamed("y", () -> CombineInput.of(null));
    assertNamed("topkWeights", () -> new CombineInput(x, null, List.of()));
    assertNamed("bias", () -> new CombineInput(x, Optional.empty(), null));
    assertNamed("placement", () -> DispatchOptions.DEFAULT.withPlacement(null));
    assertNamed("allocator", () -> Placement.owned(null));
    assertNamed("call", () -> DispatchOptions.DEFAULT.withCall(null));
    assertNamed("call", () -> CombineOptions.DEFAULT.withCall(null));
    assertNamed("allocator", () -> new CombineOptions(CallOptions.DEFAULT, Optional.empty(), null));
    assertNamed(
        "previousEvent",
        () -> new CallOptions(null, Completion.SYNCHRONOUS, AllocationStream.CALLER));
  }

  private static void assertNamed(String argument, Runnable call) {
    assertThatNullPointerException().isThrownBy(call::run).withMessageContaining(argument);
  }
}
