package io.crossdock.verify.contract.lowlatency;

import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;

import io.crossdock.core.LowLatencyFormat;
import io.crossdock.core.format.Bf16;
import io.crossdock.core.format.Fp8Groups;
import io.crossdock.core.format.Fp8Scale;
import io.crossdock.core.format.Ue8m0;
import java.lang.foreign.MemorySegment;

/// A token row as it must arrive.
///
/// Safe for any thread.
///
/// @param bytes of the row
/// @param scales bits of its scales, or words of packed ones; empty for BF16
/// @param values what the bytes and scales stand for
record LowLatencyRow(MemorySegment bytes, int[] scales, float[] values) {

  /// Casts a row.
  ///
  /// @param row H BF16
  static LowLatencyRow of(MemorySegment row, LowLatencyFormat format) {
    int hidden = Math.toIntExact(row.byteSize() / 2);
    float[] values = new float[hidden];
    if (!format.isFp8()) {
      Bf16.decodeRow(row, values);
      return new LowLatencyRow(row, new int[0], values);
    }
    Fp8Scale rule = format == LowLatencyFormat.FP8 ? Fp8Scale.AMAX : Fp8Scale.POWER_OF_TWO;
    MemorySegment codes = MemorySegment.ofArray(new byte[hidden]);
    MemorySegment scales = MemorySegment.ofArray(new float[hidden / Fp8Groups.CHANNELS]);
    Fp8Groups.quantiseRow(row, rule, codes, scales);
    Fp8Groups.dequantiseRow(codes, scales, values);
    if (format != LowLatencyFormat.FP8_UE8M0) {
      return new LowLatencyRow(codes, ints(scales), values);
    }
    int words = Ue8m0.numWords(hidden / Fp8Groups.CHANNELS);
    MemorySegment packed = MemorySegment.ofArray(new int[words]);
    Ue8m0.packRow(scales, packed);
    return new LowLatencyRow(codes, ints(packed), values);
  }

  private static int[] ints(MemorySegment memory) {
    int[] bits = new int[Math.toIntExact(memory.byteSize() / Integer.BYTES)];
    for (int i = 0; i < bits.length; i++) {
      bits[i] = memory.get(JAVA_INT_UNALIGNED, i * 4L);
    }
    return bits;
  }
}
