package io.crossdock.host;

import static jdk.incubator.vector.VectorOperators.I2S;
import static jdk.incubator.vector.VectorOperators.IS_NAN;
import static jdk.incubator.vector.VectorOperators.LSHL;
import static jdk.incubator.vector.VectorOperators.LSHR;
import static jdk.incubator.vector.VectorOperators.ZERO_EXTEND_S2I;

import java.lang.foreign.MemorySegment;
import java.nio.ByteOrder;
import java.util.Arrays;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.ShortVector;
import jdk.incubator.vector.VectorShape;
import jdk.incubator.vector.VectorSpecies;

/// Sums BF16 rows with the Vector API: at most four source rows in one loop body, since the
/// compiler gives up on more than six BF16 streams. A sum of up to four rows needs one pass and no
/// float32 block.
///
/// Safe for any thread. Its scalar twin is [ScalarSumKernel].
final class VectorSumKernel implements SumKernel {
  private static final ByteOrder LE = ByteOrder.LITTLE_ENDIAN;
  private static final VectorSpecies<Float> F = FloatVector.SPECIES_PREFERRED;
  private static final VectorSpecies<Integer> I = IntVector.SPECIES_PREFERRED;
  private static final VectorSpecies<Short> S =
      VectorSpecies.of(short.class, VectorShape.forBitSize(I.vectorBitSize() / 2));
  private static final int LANES = F.length();

  @Override
  public String describe() {
    return "vector" + F.vectorBitSize();
  }

  @Override
  public void sum(RowSet rows, MemorySegment out, long outOffset, Work work) {
    float[] block = work.block;
    for (int column = 0; column < work.hidden; column += BLOCK) {
      int length = Math.min(BLOCK, work.hidden - column);
      long shift = column * 2L;
      int row = start(rows, shift, block, length);
      work.begin(shift, length);
      for (; row < rows.count; row += Math.min(work.rowsPerPass, rows.count - row)) {
        pass(rows, row, Math.min(work.rowsPerPass, rows.count - row), work);
      }
      round(block, length, out, outOffset + shift);
    }
  }

  private static int start(RowSet rows, long shift, float[] block, int length) {
    if (!rows.startsWithFirst) {
      Arrays.fill(block, 0, length, 0.0f);
      return 0;
    }
    int body = F.loopBound(length);
    MemorySegment first = rows.segments[0];
    long offset = rows.offsets[0] + shift;
    for (int i = 0; i < body; i += LANES) {
      load(first, offset + i * 2L).intoArray(block, i);
    }
    ScalarSumKernel.load(first, offset, block, body, length);
    return 1;
  }

  private static void pass(RowSet rows, int row, int numRows, Work work) {
    long shift = work.shift;
    float[] block = work.block;
    int length = work.length;
    switch (numRows) {
      case 1 -> add1(rows, row, shift, block, length);
      case 2 -> add2(rows, row, shift, block, length);
      case 3 -> {
        add2(rows, row, shift, block, length);
        add1(rows, row + 2, shift, block, length);
      }
      default -> add4(rows, row, shift, block, length);
    }
  }

  private static void add1(RowSet rows, int row, long shift, float[] block, int length) {
    MemorySegment s0 = rows.segments[row];
    long o0 = rows.offsets[row] + shift;
    int body = F.loopBound(length);
    for (int i = 0; i < body; i += LANES) {
      FloatVector.fromArray(F, block, i).add(load(s0, o0 + i * 2L)).intoArray(block, i);
    }
    ScalarSumKernel.add(s0, o0, block, body, length);
  }

  private static void add2(RowSet rows, int row, long shift, float[] block, int length) {
    MemorySegment s0 = rows.segments[row];
    MemorySegment s1 = rows.segments[row + 1];
    long o0 = rows.offsets[row] + shift;
    long o1 = rows.offsets[row + 1] + shift;
    int body = F.loopBound(length);
    for (int i = 0; i < body; i += LANES) {
      long at = i * 2L;
      FloatVector sum = FloatVector.fromArray(F, block, i).add(load(s0, o0 + at));
      sum.add(load(s1, o1 + at)).intoArray(block, i);
    }
    ScalarSumKernel.add(s0, o0, block, body, length);
    ScalarSumKernel.add(s1, o1, block, body, length);
  }

  private static void add4(RowSet rows, int row, long shift, float[] block, int length) {
    MemorySegment s0 = rows.segments[row];
    MemorySegment s1 = rows.segments[row + 1];
    MemorySegment s2 = rows.segments[row + 2];
    MemorySegment s3 = rows.segments[row + 3];
    long o0 = rows.offsets[row] + shift;
    long o1 = rows.offsets[row + 1] + shift;
    long o2 = rows.offsets[row + 2] + shift;
    long o3 = rows.offsets[row + 3] + shift;
    int body = F.loopBound(length);
    for (int i = 0; i < body; i += LANES) {
      long at = i * 2L;
      FloatVector sum = FloatVector.fromArray(F, block, i).add(load(s0, o0 + at));
      sum = sum.add(load(s1, o1 + at)).add(load(s2, o2 + at)).add(load(s3, o3 + at));
      sum.intoArray(block, i);
    }
    for (int tail = row; tail < row + 4; tail++) {
      ScalarSumKernel.add(rows.segments[tail], rows.offsets[tail] + shift, block, body, length);
    }
  }

  static void round(float[] block, int length, MemorySegment out, long offset) {
    int body = F.loopBound(length);
    for (int i = 0; i < body; i += LANES) {
      store(FloatVector.fromArray(F, block, i), out, offset + i * 2L);
    }
    ScalarSumKernel.round(block, body, length, out, offset);
  }

  static FloatVector load(MemorySegment row, long offset) {
    IntVector wide =
        (IntVector)
            ShortVector.fromMemorySegment(S, row, offset, LE).convertShape(ZERO_EXTEND_S2I, I, 0);
    return wide.lanewise(LSHL, 16).reinterpretAsFloats();
  }

  private static void store(FloatVector value, MemorySegment out, long offset) {
    IntVector bits = value.reinterpretAsInts();
    IntVector high = bits.lanewise(LSHR, 16);
    IntVector rounded = bits.add(0x7fff).add(high.and(1)).lanewise(LSHR, 16);
    IntVector result = rounded.blend(high.or(0x40), value.test(IS_NAN).cast(I));
    ((ShortVector) result.convertShape(I2S, S, 0)).intoMemorySegment(out, offset, LE);
  }
}
