package io.crossdock.cli;

import static java.lang.foreign.ValueLayout.JAVA_SHORT;

import io.crossdock.core.DType;
import io.crossdock.core.DispatchInput;
import io.crossdock.core.Tensor;
import io.crossdock.core.format.Bf16;
import io.crossdock.core.format.Fp8Groups;
import io.crossdock.core.format.Fp8Scale;
import io.crossdock.core.routing.GatingResult;
import io.crossdock.core.routing.RankInput;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.SplittableRandom;

/// Made-up rows, choices and weights of one rank, on the host; any rank can make those of any
/// other.
///
/// Safe for any thread while its arena lives.
///
/// @param x BF16 [tokens, H]
/// @param codes FP8 [tokens, H], or x again
/// @param scales F32 [tokens, H/128], or null
/// @param topkIdx I64 [tokens, K]
/// @param topkWeights F32 [tokens, K]
/// @param routing the choices and weights as arrays
record BenchInputs(
    Tensor x,
    Tensor codes,
    Tensor scales,
    Tensor topkIdx,
    Tensor topkWeights,
    GatingResult routing) {

  static BenchInputs make(BenchTask task, int rank, int tokens, Arena arena) {
    Tensor x = Tensor.allocate(arena, DType.BF16, tokens, task.hidden());
    SplittableRandom random = new SplittableRandom(task.seed() * 1_000_003 + rank);
    for (long i = 0; i < x.numElements(); i++) {
      short value = Bf16.fromFloat((float) random.nextDouble(-2, 2));
      x.segment().setAtIndex(JAVA_SHORT, i, value);
    }
    GatingResult routing = task.sampler().sample(rank, tokens);
    Tensor ids = Tensor.allocate(arena, DType.I64, tokens, task.topk());
    Tensor weights = Tensor.allocate(arena, DType.F32, tokens, task.topk());
    int choices = tokens * task.topk();
    MemorySegment.copy(routing.topkIdx(), 0, ids.segment(), ValueLayout.JAVA_LONG, 0, choices);
    MemorySegment.copy(
        routing.topkWeights(), 0, weights.segment(), ValueLayout.JAVA_FLOAT, 0, choices);
    if (task.dtype() == ReplayTask.RowType.bf16) {
      return new BenchInputs(x, x, null, ids, weights, routing);
    }
    Tensor codes = Tensor.allocate(arena, DType.FP8_E4M3, tokens, task.hidden());
    Tensor scales = Tensor.allocate(arena, DType.F32, tokens, task.hidden() / Fp8Groups.CHANNELS);
    for (long t = 0; t < tokens; t++) {
      Fp8Groups.quantiseRow(
          ReplayInput.row(x, t),
          Fp8Scale.AMAX,
          ReplayInput.row(codes, t),
          ReplayInput.row(scales, t));
    }
    return new BenchInputs(x, codes, scales, ids, weights, routing);
  }

  DispatchInput dispatchInput() {
    DispatchInput rows = DispatchInput.of(codes, topkIdx, topkWeights);
    return scales == null ? rows : rows.withScales(scales);
  }

  /// {@return the same rank's input in the words of the routing reference}
  RankInput reference() {
    int tokens = Math.toIntExact(x.size(0));
    RankInput rows =
        RankInput.of(tokens, codes.rowBytes(), codes.segment())
            .withTopk(routing.topk(), routing.topkIdx(), routing.topkWeights());
    return scales == null ? rows : rows.withScales(scales.rowBytes(), scales.segment());
  }
}
