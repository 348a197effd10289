package io.crossdock.host;

import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;

/// Weighted sums with the Vector API: at most four source rows in one loop body, since the compiler
/// gives up on more than six BF16 streams.
///
/// Safe for any thread. Its scalar twin is [ScalarWeightedSumKernel].
final class VectorWeightedSumKernel implements WeightedSumKernel {
  private static final VectorSpecies<Float> F = FloatVector.SPECIES_PREFERRED;
  private static final int LANES = F.length();

  @Override
  public String describe() {
    return "vector" + F.vectorBitSize();
  }

  @Override
  public void sum(Rows rows, MemorySegment out, long to) {
    for (int column = 0; column < rows.hidden; column += BLOCK) {
      int length = Math.min(BLOCK, rows.hidden - column);
      long shift = column * 2L;
      Arrays.fill(rows.block, 0, length, 0.0f);
      int row = 0;
      for (; row + 4 <= rows.count; row += 4) {
        add4(rows, row, shift, length);
      }
      if (row + 2 <= rows.count) {
        add2(rows, row, shift, length);
        row += 2;
      }
      if (row < rows.count) {
        add1(rows, row, shift, length);
      }
      VectorSumKernel.round(rows.block, length, out, to + shift);
    }
  }

  @Override
  public void sumEncoded(Rows rows, LogFmtKernel decoder, MemorySegment out, long to) {
    rows.rewind();
    for (int column = 0; column < rows.hidden; column += BLOCK) {
      int length = Math.min(BLOCK, rows.hidden - column);
      Arrays.fill(rows.block, 0, length, 0.0f);
      for (int row = 0; row < rows.count; row++) {
        rows.decode(decoder, row, column, length);
        addValues(rows, rows.weights[row], length);
      }
      VectorSumKernel.round(rows.block, length, out, to + column * 2L);
    }
  }

  private static void addValues(Rows rows, float weight, int length) {
    float[] block = rows.block;
    FloatVector factor = FloatVector.broadcast(F, weight);
    int body = F.loopBound(length);
    for (int i = 0; i < body; i += LANES) {
      FloatVector sum = FloatVector.fromArray(F, block, i);
      FloatVector.fromArray(F, rows.values, i).fma(factor, sum).intoArray(block, i);
    }
    ScalarWeightedSumKernel.addValues(rows, weight, body, length);
  }

  private static void add1(Rows rows, int row, long shift, int length) {
    float[] block = rows.block;
    MemorySegment s0 = rows.segments[row];
    long o0 = rows.offsets[row] + shift;
    FloatVector w0 = FloatVector.broadcast(F, rows.weights[row]);
    int body = F.loopBound(length);
    for (int i = 0; i < body; i += LANES) {
      FloatVector sum = FloatVector.fromArray(F, block, i);
      VectorSumKernel.load(s0, o0 + i * 2L).fma(w0, sum).intoArray(block, i);
    }
    ScalarWeightedSumKernel.add(rows, row, shift, body, length);
  }

  private static void add2(Rows rows, int row, long shift, int length) {
    float[] block = rows.block;
    MemorySegment s0 = rows.segments[row];
    MemorySegment s1 = rows.segments[row + 1];
    long o0 = rows.offsets[row] + shift;
    long o1 = rows.offsets[row + 1] + shift;
    FloatVector w0 = FloatVector.broadcast(F, rows.weights[row]);
    FloatVector w1 = FloatVector.broadcast(F, rows.weights[row + 1]);
    int body = F.loopBound(length);
    for (int i = 0; i < body; i += LANES) {
      long at = i * 2L;
      FloatVector sum = FloatVector.fromArray(F, block, i);
      sum = VectorSumKernel.load(s0, o0 + at).fma(w0, sum);
      VectorSumKernel.load(s1, o1 + at).fma(w1, sum).intoArray(block, i);
    }
    ScalarWeightedSumKernel.add(rows, row, shift, body, length);
    ScalarWeightedSumKernel.add(rows, row + 1, shift, body, length);
  }

  private static void add4(Rows rows, int row, long shift, int length) {
    float[] block = rows.block;
    MemorySegment s0 = rows.segments[row];
    MemorySegment s1 = rows.segments[row + 1];
    MemorySegment s2 = rows.segments[row + 2];
    MemorySegment s3 = rows.segments[row + 3];
    long o0 = rows.offsets[row] + shift;
    long o1 = rows.offsets[row + 1] + shift;
    long o2 = rows.offsets[row + 2] + shift;
    long o3 = rows.offsets[row + 3] + shift;
    FloatVector w0 = FloatVector.broadcast(F, rows.weights[row]);
    FloatVector w1 = FloatVector.broadcast(F, rows.weights[row + 1]);
    FloatVector w2 = FloatVector.broadcast(F, rows.weights[row + 2]);
    FloatVector w3 = FloatVector.broadcast(F, rows.weights[row + 3]);
    int body = F.loopBound(length);
    for (int i = 0; i < body; i += LANES) {
      long at = i * 2L;
      FloatVector sum = FloatVector.fromArray(F, block, i);
      sum = VectorSumKernel.load(s0, o0 + at).fma(w0, sum);
      sum = VectorSumKernel.load(s1, o1 + at).fma(w1, sum);
      sum = VectorSumKernel.load(s2, o2 + at).fma(w2, sum);
      VectorSumKernel.load(s3, o3 + at).fma(w3, sum).intoArray(block, i);
    }
    for (int tail = row; tail < row + 4; tail++) {
      ScalarWeightedSumKernel.add(rows, tail, shift, body, length);
    }
  }
}
