package io.crossdock.core.format;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_SHORT_UNALIGNED;

import java.lang.foreign.MemorySegment;

/// Rows in FP8 E4M3FN with one scale per 128 channels; value = q * scale in float32.
///
/// Edge cases: a group of zeros has amax 1e-4 and codes 0; -0 keeps its sign. NaN takes no part in
/// amax and becomes NaN. An infinity makes the scale infinite, so that the whole group reads back
/// as NaN. With [Fp8Scale#POWER_OF_TWO] a magnitude that rounds up to 2^128 reads back as infinity.
///
/// Safe for any thread.
public final class Fp8Groups {
  /// Channels that share a scale.
  public static final int CHANNELS = 128;

  private static final float MIN_AMAX = 1e-4f;

  private Fp8Groups() {}

  /// Quantises a row.
  ///
  /// @param row H BF16; H is a multiple of 128
  /// @param rule how scales are chosen
  /// @param codes receives H FP8
  /// @param scales receives H / 128 float32
  public static void quantiseRow(
      MemorySegment row, Fp8Scale rule, MemorySegment codes, MemorySegment scales) {
    int groups = Math.toIntExact(row.byteSize() / (2L * CHANNELS));
    for (int group = 0; group < groups; group++) {
      float amax = amax(row, group);
      float scale = scale(amax, rule);
      scales.set(JAVA_FLOAT_UNALIGNED, group * 4L, scale);
      float factor = Fp8E4m3.MAX / amax;
      for (int i = group * CHANNELS; i < (group + 1) * CHANNELS; i++) {
        float value = Bf16.toFloat(row.get(JAVA_SHORT_UNALIGNED, i * 2L));
        float scaled = rule == Fp8Scale.AMAX ? value * factor : value / scale;
        codes.set(JAVA_BYTE, i, Fp8E4m3.fromFloat(scaled));
      }
    }
  }

  /// Reads a quantised row back.
  ///
  /// @param codes H FP8
  /// @param scales H / 128 float32
  /// @param values receives H float32, not rounded further
  public static void dequantiseRow(MemorySegment codes, MemorySegment scales, float[] values) {
    for (int i = 0; i < values.length; i++) {
      float scale = scales.get(JAVA_FLOAT_UNALIGNED, i / CHANNELS * 4L);
      values[i] = Fp8E4m3.toFloat(codes.get(JAVA_BYTE, i)) * scale;
    }
  }

  private static float amax(MemorySegment row, int group) {
    float amax = MIN_AMAX;
    for (int i = group * CHANNELS; i < (group + 1) * CHANNELS; i++) {
      float value = Math.abs(Bf16.toFloat(row.get(JAVA_SHORT_UNALIGNED, i * 2L)));
      amax = value > amax ? value : amax;
    }
    return amax;
  }

  private static float scale(float amax, Fp8Scale rule) {
    float scale = amax / Fp8E4m3.MAX;
    return rule == Fp8Scale.AMAX ? scale : Ue8m0.toFloat(Ue8m0.ceiling(scale));
  }
}
