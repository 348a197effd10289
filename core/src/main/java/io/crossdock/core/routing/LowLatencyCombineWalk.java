package io.crossdock.core.routing;

import io.crossdock.core.format.Bf16;
import java.lang.foreign.MemorySegment;

/// Sums the answers to the selections of one rank.
///
/// Confined to one thread.
final class LowLatencyCombineWalk {
  private final int home;
  private final RankInput input;
  private final LowLatencySpec spec;
  private final float[] row;

  LowLatencyCombineWalk(int home, RankInput input, LowLatencySpec spec) {
    this.home = home;
    this.input = input;
    this.spec = spec;
    this.row = new float[Math.toIntExact(input.rowBytes() / 2)];
  }

  ReferenceCombine combine(ExpertRows outputs) {
    int size = Math.toIntExact(input.numTokens() * input.rowBytes());
    MemorySegment out = MemorySegment.ofArray(new byte[size]);
    for (int token = 0; token < input.numTokens(); token++) {
      Bf16.encodeRow(sum(token, outputs), out.asSlice(token * input.rowBytes(), input.rowBytes()));
    }
    return new ReferenceCombine(out, new float[0]);
  }

  private float[] sum(int token, ExpertRows outputs) {
    float[] sum = new float[row.length];
    for (int k = 0; k < input.topk(); k++) {
      int at = token * input.topk() + k;
      long expert = input.topkIdx()[at];
      if (spec.isSelection(expert)) {
        outputs.read(home, token, (int) expert, row);
        for (int i = 0; i < sum.length; i++) {
          sum[i] = Math.fma(input.topkWeights()[at], row[i], sum[i]);
        }
      }
    }
    return sum;
  }
}
