package io.crossdock.verify.guard;

import static org.assertj.core.api.Assertions.assertThat;

import io.crossdock.core.CombineInput;
import io.crossdock.core.CombineOptions;
import io.crossdock.core.CombineResult;
import io.crossdock.core.DType;
import io.crossdock.core.DispatchHandle;
import io.crossdock.core.DispatchInput;
import io.crossdock.core.DispatchOptions;
import io.crossdock.core.DispatchOutputs;
import io.crossdock.core.DispatchResult;
import io.crossdock.core.Engines;
import io.crossdock.core.EpBuffer;
import io.crossdock.core.Layout;
import io.crossdock.core.Placement;
import io.crossdock.core.Tensor;
import io.crossdock.core.group.ProcessGroup;
import io.crossdock.core.routing.RankInput;
import io.crossdock.core.routing.ReferenceCombine;
import io.crossdock.core.routing.ReferenceDispatch;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Optional;

/// Runs a case on one rank.
final class GuardRun {
  private final GuardCase test;
  private final GuardData data;
  private final EpBuffer buffer;
  private final GuardedTensors guarded;
  private final int rank;
  private final int tokens;

  private GuardRun(GuardCase test, EpBuffer buffer, GuardedTensors guarded) {
    this.test = test;
    this.data = new GuardData(test);
    this.buffer = buffer;
    this.guarded = guarded;
    this.rank = buffer.group().rank();
    this.tokens = test.tokens().get(rank);
  }

  static void run(GuardCase test, ProcessGroup group) {
    try (GuardedTensors guarded = new GuardedTensors(test.edge(), test.memory());
        EpBuffer buffer = EpBuffer.open(Engines.open("host"), test.spec(), group)) {
      new GuardRun(test, buffer, guarded).run();
    }
  }

  private void run() {
    Tensor topkIdx = topkIdx();
    Layout layout = buffer.allocateLayout(guarded, test.numExperts());
    buffer.layoutInto(topkIdx, layout);
    DispatchInput input = input(topkIdx);
    if (test.flow() == GuardCase.Flow.INTO) {
      int rows = data.dispatches.get(rank).numRecvTokens();
      DispatchOutputs outputs = buffer.allocateOutputs(guarded, input, rows);
      buffer.dispatchInto(input, layout, options(), outputs);
      check(
          outputs.recvX(), outputs.recvScales(), outputs.recvTopkIdx(), outputs.recvTopkWeights());
      combine(outputs.handle());
      return;
    }
    try (DispatchResult got = buffer.dispatch(input, layout, options())) {
      check(got.recvX(), got.recvScales(), got.recvTopkIdx(), got.recvTopkWeights());
      combine(got.handle());
    }
  }

  private DispatchOptions options() {
    return DispatchOptions.DEFAULT
        .withConfig(test.dispatchConfig(rank))
        .withNumWorstTokens(test.worstTokens())
        .withPlacement(
            test.flow() == GuardCase.Flow.BORROWED ? Placement.BORROWED : Placement.owned(guarded));
  }

  private Tensor topkIdx() {
    long[] ids = data.inputs.get(rank).topkIdx();
    MemorySegment bytes = MemorySegment.ofArray(new byte[ids.length * (test.wideIds() ? 8 : 4)]);
    for (int i = 0; i < ids.length; i++) {
      if (test.wideIds()) {
        bytes.set(ValueLayout.JAVA_LONG_UNALIGNED, i * 8L, ids[i]);
      } else {
        bytes.set(ValueLayout.JAVA_INT_UNALIGNED, i * 4L, (int) ids[i]);
      }
    }
    DType dtype = test.wideIds() ? DType.I64 : DType.I32;
    return guarded.tensor(dtype, tokens, test.topk(), bytes);
  }

  private DispatchInput input(Tensor topkIdx) {
    RankInput mine = data.inputs.get(rank);
    Tensor x = guarded.tensor(test.rows().dtype, tokens, test.hidden(), mine.rows());
    Tensor weights =
        guarded.tensor(DType.F32, tokens, test.topk(), MemorySegment.ofArray(mine.topkWeights()));
    DispatchInput input = DispatchInput.of(x, topkIdx, weights);
    if (test.rows().scales == null) {
      return input;
    }
    return input.withScales(
        guarded.tensor(test.rows().scales, tokens, test.scaleColumns(), mine.scales()));
  }

  private void check(
      Tensor x, Optional<Tensor> scales, Optional<Tensor> topkIdx, Optional<Tensor> weights) {
    ReferenceDispatch wanted = data.dispatches.get(rank);
    int rows = wanted.numRecvTokens();
    same("recvX", x, wanted.recvRows(), rows);
    scales.ifPresent(tensor -> same("recvScales", tensor, wanted.recvScales(), rows));
    long outputs = test.worstTokens() > 0 ? test.worstTokens() : rows;
    same(
        "recvTopkWeights",
        weights.orElseThrow(),
        MemorySegment.ofArray(wanted.recvTopkWeights()),
        outputs);
    MemorySegment ids = guarded.packed(topkIdx.orElseThrow(), outputs);
    for (int i = 0; i < wanted.recvTopkIdx().length; i++) {
      long id =
          test.wideIds()
              ? ids.get(ValueLayout.JAVA_LONG_UNALIGNED, i * 8L)
              : ids.get(ValueLayout.JAVA_INT_UNALIGNED, i * 4L);
      assertThat(id).as("recvTopkIdx[%d]", i).isEqualTo(wanted.recvTopkIdx()[i]);
    }
  }

  private void combine(DispatchHandle handle) {
    long rows = handle.numOutputRows();
    Tensor y = guarded.tensor(DType.BF16, rows, test.hidden(), data.outputs(rank, rows));
    Tensor weights = guarded.tensor(DType.F32, rows, test.topk(), data.weights(rank, rows));
    Tensor[] biases =
        data.biases(rank).stream()
            .map(bias -> guarded.tensor(DType.BF16, tokens, test.hidden(), bias))
            .toArray(Tensor[]::new);
    CombineInput input = CombineInput.of(y).withTopkWeights(weights).withBias(biases);
    CombineOptions options =
        CombineOptions.DEFAULT.withConfig(test.combineConfig(rank)).withAllocator(guarded);
    if (test.flow() == GuardCase.Flow.INTO) {
      Tensor combinedX = guarded.tensor(DType.BF16, tokens, test.hidden());
      Tensor combinedWeights = guarded.tensor(DType.F32, tokens, test.topk());
      buffer.combineInto(input, handle, options, combinedX, combinedWeights);
      checkCombine(combinedX, combinedWeights);
      return;
    }
    CombineResult result = buffer.combine(input, handle, options);
    checkCombine(result.combinedX(), result.combinedTopkWeights().orElseThrow());
  }

  private void checkCombine(Tensor x, Tensor weights) {
    ReferenceCombine wanted = data.combined(rank);
    same("combinedX", x, wanted.combinedX(), tokens);
    MemorySegment sums = MemorySegment.ofArray(wanted.combinedTopkWeights());
    same("combinedTopkWeights", weights, sums, tokens);
  }

  private void same(String name, Tensor got, MemorySegment wanted, long rows) {
    MemorySegment packed = guarded.packed(got, rows);
    assertThat(packed.mismatch(wanted.asSlice(0, packed.byteSize())))
        .as("first byte of %s that differs, rank=%d", name, rank)
        .isEqualTo(-1);
  }
}
