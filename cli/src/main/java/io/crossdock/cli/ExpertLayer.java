package io.crossdock.cli;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;

import io.crossdock.core.DType;
import io.crossdock.core.DispatchResult;
import io.crossdock.core.EngineMemory;
import io.crossdock.core.EpBuffer;
import io.crossdock.core.Tensor;
import io.crossdock.core.format.Bf16;
import io.crossdock.core.format.Fp8Groups;
import java.lang.foreign.MemorySegment;
import java.util.Optional;

/// The experts of one rank, as simple as they can be and still tell which expert saw which row.
/// They compute on the host, wherever the engine keeps its rows.
///
/// Confined to one thread.
final class ExpertLayer {
  private final ReplayTask.Expert kind;
  private final EngineMemory memory;
  private final int firstExpert;
  private final int numExperts;
  private final float[] values;

  ExpertLayer(ReplayTask.Expert kind, EpBuffer buffer) {
    this.kind = kind;
    this.memory = buffer.memory();
    this.numExperts = buffer.spec().numExperts();
    this.firstExpert = buffer.group().rank() * (numExperts / buffer.group().size());
    this.values = new float[buffer.spec().hidden()];
  }

  /// What arrived, on the host.
  private record Rows(Tensor x, Optional<Tensor> scales, Tensor ids, Tensor weights) {}

  /// Computes the outputs of all received rows.
  ///
  /// @param routes whose choices and weights count
  /// @param rows whose rows count: the same result, or that of a cached dispatch
  /// @param y BF16 [at least n, H]
  void run(DispatchResult routes, DispatchResult rows, Tensor y) {
    Rows got =
        new Rows(
            memory.toHost(rows.recvX()),
            rows.recvScales().map(memory::toHost),
            memory.toHost(routes.recvTopkIdx().orElseThrow()),
            memory.toHost(routes.recvTopkWeights().orElseThrow()));
    Tensor out = memory.toHost(y);
    for (long row = 0; row < routes.numRecvTokens(); row++) {
      decode(got, row);
      if (kind == ReplayTask.Expert.moe) {
        scale(values, factor(got, row));
      }
      Bf16.encodeRow(values, ReplayInput.row(out, row));
    }
    if (out != y) {
      memory.copy(out, y);
    }
  }

  private void decode(Rows rows, long row) {
    MemorySegment x = ReplayInput.row(rows.x, row);
    if (rows.x.dtype() == DType.FP8_E4M3) {
      MemorySegment scales = ReplayInput.row(rows.scales.orElseThrow(), row);
      Fp8Groups.dequantiseRow(x, scales, values);
    } else {
      Bf16.decodeRow(x, values);
    }
  }

  static void scale(float[] values, float factor) {
    for (int i = 0; i < values.length; i++) {
      values[i] = factor * values[i];
    }
  }

  private float factor(Rows rows, long row) {
    Tensor ids = rows.ids;
    Tensor weights = rows.weights;
    float sum = 0.0f;
    for (int k = 0; k < ids.size(1); k++) {
      long at = row * ids.size(1) + k;
      long local =
          ids.dtype() == DType.I64
              ? ids.segment().get(JAVA_LONG_UNALIGNED, at * 8)
              : ids.segment().get(JAVA_INT_UNALIGNED, at * 4);
      if (local >= 0) {
        float weight = weights.segment().get(JAVA_FLOAT_UNALIGNED, at * 4);
        sum += weight * expertScale(firstExpert + local, numExperts);
      }
    }
    return sum;
  }

  /// {@return s_e, the scale of an expert}
  static float expertScale(long expert, int numExperts) {
    return 1.0f + (float) expert / (float) numExperts;
  }
}
