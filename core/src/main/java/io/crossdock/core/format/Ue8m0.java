package io.crossdock.core.format;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;

import java.lang.foreign.MemorySegment;

/// UE8M0: a power of two as the biased exponent byte of a float32. Four scales are packed into an
/// int32, little-endian, the first in the lowest byte; spare bytes are 0.
///
/// Byte 0 stands for 2^-127, which float32 holds as a denormal; byte 255 stands for no number and
/// reads back as infinity, the scale of a group that held one.
///
/// Safe for any thread.
public final class Ue8m0 {
  private static final int MANTISSA_BITS = 23;
  private static final int MANTISSA_MASK = (1 << MANTISSA_BITS) - 1;
  private static final int SMALLEST = 1 << (MANTISSA_BITS - 1);
  private static final int PACKED = 4;

  private Ue8m0() {}

  /// {@return the smallest power of two at or above a value}
  ///
  /// @param value positive; below 2^-127 the smallest power, 2^-127, is taken
  public static byte ceiling(float value) {
    int bits = Float.floatToRawIntBits(value);
    if (bits <= SMALLEST) {
      return 0;
    }
    int exponent = bits >>> MANTISSA_BITS;
    return (byte) ((bits & MANTISSA_MASK) == 0 ? exponent : exponent + 1);
  }

  /// {@return the power of two}
  ///
  /// @param exponent biased by 127
  public static float toFloat(byte exponent) {
    int bits = (exponent & 0xff) << MANTISSA_BITS;
    return Float.intBitsToFloat(bits == 0 ? SMALLEST : bits);
  }

  /// {@return int32 words that the scales of a row take}
  ///
  /// @param numScales scales of a row
  public static int numWords(int numScales) {
    return (numScales + PACKED - 1) / PACKED;
  }

  /// Packs the scales of a row.
  ///
  /// @param scales float32 powers of two
  /// @param packed receives as many int32 words as [#numWords] says
  public static void packRow(MemorySegment scales, MemorySegment packed) {
    int numScales = Math.toIntExact(scales.byteSize() / Float.BYTES);
    packed.fill((byte) 0);
    for (int i = 0; i < numScales; i++) {
      byte exponent = ceiling(scales.get(JAVA_FLOAT_UNALIGNED, i * 4L));
      packed.set(JAVA_BYTE, i, exponent);
    }
  }

  /// Unpacks the scales of a row.
  ///
  /// @param packed int32 words
  /// @param scales receives float32 powers of two; its size says how many
  public static void unpackRow(MemorySegment packed, MemorySegment scales) {
    int numScales = Math.toIntExact(scales.byteSize() / Float.BYTES);
    for (int i = 0; i < numScales; i++) {
      scales.set(JAVA_FLOAT_UNALIGNED, i * 4L, toFloat(packed.get(JAVA_BYTE, i)));
    }
  }
}
