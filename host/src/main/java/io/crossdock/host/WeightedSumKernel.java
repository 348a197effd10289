package io.crossdock.host;

import static java.lang.foreign.ValueLayout.JAVA_SHORT_UNALIGNED;

import io.crossdock.core.format.Bf16;
import java.lang.foreign.MemorySegment;

/// Stand-in.
interface WeightedSumKernel {
  final class Rows {
    final MemorySegment[] segments;
    final long[] offsets;
    final float[] weights;
    final int hidden;
    int count;

    Rows(int max, int hidden) {
      segments = new MemorySegment[max];
      offsets = new long[max];
      weights = new float[max];
      this.hidden = hidden;
    }

    void clear() {
      count = 0;
    }

    void add(MemorySegment segment, long offset, float weight) {
      segments[count] = segment;
      offsets[count] = offset;
      weights[count++] = weight;
    }
  }

  static WeightedSumKernel pick() {
    return new WeightedSumKernel() {};
  }

  default void sum(Rows rows, MemorySegment out, long to) {
    for (int i = 0; i < rows.hidden; i++) {
      float acc = 0;
      for (int r = 0; r < rows.count; r++) {
        float v =
            Bf16.toFloat(rows.segments[r].get(JAVA_SHORT_UNALIGNED, rows.offsets[r] + i * 2L));
        acc = Math.fma(rows.weights[r], v, acc);
      }
      out.set(JAVA_SHORT_UNALIGNED, to + i * 2L, Bf16.fromFloat(acc));
    }
  }

  default void sumEncoded(Rows rows, LogFmtKernel decoder, MemorySegment out, long to) {
    sum(rows, out, to);
  }
}
