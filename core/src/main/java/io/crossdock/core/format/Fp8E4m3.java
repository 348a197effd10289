package io.crossdock.core.format;

/// FP8 E4M3FN: 1 sign, 4 exponent (bias 7) and 3 mantissa bits; no infinities, NaN is 0x7f and
/// 0xff.
///
/// To FP8 rounds to nearest, ties to even, and saturates: everything beyond 448, infinities too,
/// becomes 448 of the same sign. Below 2^-6 the codes are multiples of 2^-9, down to zero; both
/// zeros keep their sign, NaN stays a NaN of the same sign. From FP8 is exact.
///
/// Safe for any thread.
public final class Fp8E4m3 {
  /// Largest finite value.
  public static final float MAX = 448.0f;

  private static final float MIN_NORMAL = 0x1p-6f;
  private static final float DENORMAL_STEPS = 0x1p9f;
  private static final int MAX_CODE = 0x7e;
  private static final int NAN_CODE = 0x7f;
  private static final int SIGN_BIT = 0x80;
  private static final int DROPPED_BITS = 20;
  private static final int HALF = 1 << (DROPPED_BITS - 1);
  private static final int REBIAS = (127 - 7) << 3;
  private static final float[] VALUES = values();

  private Fp8E4m3() {}

  /// {@return the nearest FP8, as its 8 bits}
  ///
  /// @param value any float32
  public static byte fromFloat(float value) {
    int sign = (Float.floatToRawIntBits(value) >>> 24) & SIGN_BIT;
    return (byte) (sign | magnitude(Math.abs(value)));
  }

  private static int magnitude(float value) {
    if (Float.isNaN(value)) {
      return NAN_CODE;
    }
    if (value < MIN_NORMAL) {
      return (int) Math.rint(value * DENORMAL_STEPS);
    }
    int bits = Float.floatToRawIntBits(value);
    int even = (bits >>> DROPPED_BITS) & 1;
    int rounded = (bits + HALF - 1 + even) >>> DROPPED_BITS;
    return Math.min(rounded - REBIAS, MAX_CODE);
  }

  /// {@return the float32 of the same value}
  ///
  /// @param bits an FP8
  public static float toFloat(byte bits) {
    return VALUES[bits & 0xff];
  }

  private static float[] values() {
    float[] all = new float[256];
    for (int code = 0; code < all.length; code++) {
      int mantissa = code & 7;
      int exponent = (code >> 3) & 15;
      float value =
          exponent == 0
              ? mantissa / DENORMAL_STEPS
              : (8 + mantissa) * Math.scalb(1.0f, exponent - 7 - 3);
      value = (code & NAN_CODE) == NAN_CODE ? Float.NaN : value;
      all[code] = (code & SIGN_BIT) == 0 ? value : -value;
    }
    return all;
  }
}
