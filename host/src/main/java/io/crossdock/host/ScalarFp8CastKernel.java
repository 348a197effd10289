package io.crossdock.host;

import static io.crossdock.core.format.Fp8Groups.CHANNELS;
import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_SHORT_UNALIGNED;

import io.crossdock.core.format.Bf16;
import io.crossdock.core.format.Fp8E4m3;
import java.lang.foreign.MemorySegment;

/// The scalar twin of [VectorFp8CastKernel], and what runs without the Vector API.
///
/// Safe for any thread.
///
/// @param hidden H
record ScalarFp8CastKernel(int hidden) implements Fp8CastKernel {
  @Override
  public String describe() {
    return "scalar";
  }

  @Override
  public void cast(MemorySegment x, long row, MemorySegment page, long to, long toScales) {
    for (int i = 0; i < hidden; i += CHANNELS) {
      float amax = amax(x, row + i * 2L);
      page.set(JAVA_FLOAT_UNALIGNED, toScales + i / CHANNELS * 4L, amax / Fp8E4m3.MAX);
      castGroup(x, row + i * 2L, Fp8E4m3.MAX / amax, page, to + i);
    }
  }

  @Override
  public void castRounded(MemorySegment x, long row, MemorySegment page, long to, long toScales) {
    for (int i = 0; i < hidden; i += CHANNELS) {
      float scale = Fp8CastKernel.roundedScale(amax(x, row + i * 2L));
      page.set(JAVA_FLOAT_UNALIGNED, toScales + i / CHANNELS * 4L, scale);
      // Exactly a division by the scale: the reciprocal of a power of two is one too.
      castGroup(x, row + i * 2L, 1 / scale, page, to + i);
    }
  }

  /// {@return the largest magnitude of a group; NaN takes no part}
  static float amax(MemorySegment x, long group) {
    float amax = MIN_AMAX;
    for (int i = 0; i < CHANNELS; i++) {
      float value = Math.abs(Bf16.toFloat(x.get(JAVA_SHORT_UNALIGNED, group + i * 2L)));
      amax = value > amax ? value : amax;
    }
    return amax;
  }

  /// Casts one group; also what the vector kernel does with a group that is not finite.
  static void castGroup(MemorySegment x, long group, float factor, MemorySegment page, long to) {
    for (int i = 0; i < CHANNELS; i++) {
      float value = Bf16.toFloat(x.get(JAVA_SHORT_UNALIGNED, group + i * 2L));
      page.set(JAVA_BYTE, to + i, Fp8E4m3.fromFloat(value * factor));
    }
  }
}
