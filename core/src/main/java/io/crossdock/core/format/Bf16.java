package io.crossdock.core.format;

import static java.lang.foreign.ValueLayout.JAVA_SHORT_UNALIGNED;

import java.lang.foreign.MemorySegment;

/// bfloat16: 1 sign, 8 exponent and 7 mantissa bits, the upper half of a float32.
///
/// To BF16 rounds to nearest, ties to even: a finite value beyond the largest BF16 becomes an
/// infinity, denormals and both zeros are kept, NaN stays a (quiet) NaN of the same sign. From BF16
/// is exact.
///
/// Safe for any thread.
public final class Bf16 {
  private static final int QUIET_BIT = 0x40;

  private Bf16() {}

  /// {@return the nearest BF16, as its 16 bits}
  ///
  /// @param value any float32
  public static short fromFloat(float value) {
    int bits = Float.floatToRawIntBits(value);
    int high = bits >>> 16;
    if (Float.isNaN(value)) {
      return (short) (high | QUIET_BIT);
    }
    return (short) ((bits + 0x7fff + (high & 1)) >>> 16);
  }

  /// {@return the float32 of the same value}
  ///
  /// @param bits a BF16
  public static float toFloat(short bits) {
    return Float.intBitsToFloat(bits << 16);
  }

  /// Rounds a row.
  ///
  /// @param values H float32
  /// @param row receives H BF16, of any alignment
  public static void encodeRow(float[] values, MemorySegment row) {
    short[] bits = new short[values.length];
    for (int i = 0; i < values.length; i++) {
      bits[i] = fromFloat(values[i]);
    }
    MemorySegment.copy(bits, 0, row, JAVA_SHORT_UNALIGNED, 0, bits.length);
  }

  /// Widens a row.
  ///
  /// @param row H BF16, of any alignment
  /// @param values receives H float32
  public static void decodeRow(MemorySegment row, float[] values) {
    short[] bits = new short[values.length];
    MemorySegment.copy(row, JAVA_SHORT_UNALIGNED, 0, bits, 0, bits.length);
    for (int i = 0; i < values.length; i++) {
      values[i] = toFloat(bits[i]);
    }
  }
}
