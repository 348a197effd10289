package io.crossdock.cli;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;

import io.crossdock.core.BufferSpec;
import io.crossdock.core.DType;
import io.crossdock.core.DispatchResult;
import io.crossdock.core.Tensor;
import io.crossdock.core.format.Bf16;
import io.crossdock.core.format.Fp8Groups;
import java.lang.foreign.MemorySegment;

/// The experts of one rank, as simple as they can be and still tell which expert saw which row.
///
/// Confined to one thread.
final class ExpertLayer {
  private final ReplayTask.Expert kind;
  private final int firstExpert;
  private final int numExperts;
  private final float[] values;

  ExpertLayer(ReplayTask.Expert kind, int rank, int numRanks, BufferSpec spec) {
    this.kind = kind;
    this.numExperts = spec.numExperts();
    this.firstExpert = rank * (numExperts / numRanks);
    this.values = new float[spec.hidden()];
  }

  /// Computes the outputs of all received rows.
  ///
  /// @param routes whose choices and weights count
  /// @param rows whose rows count: the same result, or that of a cached dispatch
  /// @param y BF16 [at least n, H]
  void run(DispatchResult routes, DispatchResult rows, Tensor y) {
    for (long row = 0; row < routes.numRecvTokens(); row++) {
      decode(rows, row);
      if (kind == ReplayTask.Expert.moe) {
        scale(factor(routes, row));
      }
      Bf16.encodeRow(values, ReplayInput.row(y, row));
    }
  }

  private void decode(DispatchResult rows, long row) {
    MemorySegment x = ReplayInput.row(rows.recvX(), row);
    if (rows.recvX().dtype() == DType.FP8_E4M3) {
      MemorySegment scales = ReplayInput.row(rows.recvScales().orElseThrow(), row);
      Fp8Groups.dequantiseRow(x, scales, values);
    } else {
      Bf16.decodeRow(x, values);
    }
  }

  private void scale(float factor) {
    for (int i = 0; i < values.length; i++) {
      values[i] = factor * values[i];
    }
  }

  private float factor(DispatchResult routes, long row) {
    Tensor ids = routes.recvTopkIdx().orElseThrow();
    Tensor weights = routes.recvTopkWeights().orElseThrow();
    float sum = 0.0f;
    for (int k = 0; k < ids.size(1); k++) {
      long at = row * ids.size(1) + k;
      long local =
          ids.dtype() == DType.I64
              ? ids.segment().get(JAVA_LONG_UNALIGNED, at * 8)
              : ids.segment().get(JAVA_INT_UNALIGNED, at * 4);
      if (local >= 0) {
        float weight = weights.segment().get(JAVA_FLOAT_UNALIGNED, at * 4);
        sum += weight * expertScale(firstExpert + local);
      }
    }
    return sum;
  }

  /// {@return s_e, the scale of an expert}
  private float expertScale(long expert) {
    return 1.0f + (float) expert / (float) numExperts;
  }
}
