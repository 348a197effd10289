package io.crossdock.host;

import static java.lang.foreign.ValueLayout.JAVA_SHORT_UNALIGNED;

import io.crossdock.core.format.Bf16;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;

/// The scalar twin of [VectorSumKernel]: its oracle, and what runs without the Vector API.
///
/// Safe for any thread.
final class ScalarSumKernel implements SumKernel {
  @Override
  public String describe() {
    return "scalar";
  }

  @Override
  public void sum(RowSet rows, MemorySegment out, long outOffset, Work work) {
    float[] block = work.block;
    for (int column = 0; column < work.hidden; column += BLOCK) {
      int length = Math.min(BLOCK, work.hidden - column);
      int first = start(rows, column, block, length);
      for (int row = first; row < rows.count; row++) {
        add(rows.segments[row], rows.offsets[row] + column * 2L, block, 0, length);
      }
      round(block, 0, length, out, outOffset + column * 2L);
    }
  }

  private static int start(RowSet rows, int column, float[] block, int length) {
    if (!rows.startsWithFirst) {
      Arrays.fill(block, 0, length, 0.0f);
      return 0;
    }
    load(rows.segments[0], rows.offsets[0] + column * 2L, block, 0, length);
    return 1;
  }

  /// Columns `from` to `to` of a row into the block; also the tail of the vector kernel.
  static void load(MemorySegment row, long offset, float[] block, int from, int to) {
    for (int i = from; i < to; i++) {
      block[i] = Bf16.toFloat(row.get(JAVA_SHORT_UNALIGNED, offset + i * 2L));
    }
  }

  static void add(MemorySegment row, long offset, float[] block, int from, int to) {
    for (int i = from; i < to; i++) {
      block[i] += Bf16.toFloat(row.get(JAVA_SHORT_UNALIGNED, offset + i * 2L));
    }
  }

  static void round(float[] block, int from, int to, MemorySegment out, long offset) {
    for (int i = from; i < to; i++) {
      out.set(JAVA_SHORT_UNALIGNED, offset + i * 2L, Bf16.fromFloat(block[i]));
    }
  }
}
