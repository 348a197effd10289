package io.crossdock.host;

import static java.lang.foreign.ValueLayout.JAVA_SHORT_UNALIGNED;

import io.crossdock.core.format.Bf16;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;

/// The scalar twin of [VectorWeightedSumKernel], and what runs without the Vector API.
///
/// Safe for any thread.
final class ScalarWeightedSumKernel implements WeightedSumKernel {
  @Override
  public String describe() {
    return "scalar";
  }

  @Override
  public void sum(Rows rows, MemorySegment out, long to) {
    for (int column = 0; column < rows.hidden; column += BLOCK) {
      int length = Math.min(BLOCK, rows.hidden - column);
      Arrays.fill(rows.block, 0, length, 0.0f);
      for (int row = 0; row < rows.count; row++) {
        add(rows, row, column * 2L, 0, length);
      }
      ScalarSumKernel.round(rows.block, 0, length, out, to + column * 2L);
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
        addValues(rows, rows.weights[row], 0, length);
      }
      ScalarSumKernel.round(rows.block, 0, length, out, to + column * 2L);
    }
  }

  /// Decoded columns into the block; also the tail of the vector kernel.
  static void addValues(Rows rows, float weight, int from, int end) {
    for (int i = from; i < end; i++) {
      rows.block[i] = Math.fma(weight, rows.values[i], rows.block[i]);
    }
  }

  /// Columns `from` to `end` of a row into the block; also the tail of the vector kernel.
  static void add(Rows rows, int row, long shift, int from, int end) {
    MemorySegment segment = rows.segments[row];
    long offset = rows.offsets[row] + shift;
    float weight = rows.weights[row];
    float[] block = rows.block;
    for (int i = from; i < end; i++) {
      float value = Bf16.toFloat(segment.get(JAVA_SHORT_UNALIGNED, offset + i * 2L));
      block[i] = Math.fma(weight, value, block[i]);
    }
  }
}
