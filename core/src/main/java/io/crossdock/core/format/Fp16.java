package io.crossdock.core.format;

/// IEEE 754 binary16: 1 sign, 5 exponent and 10 mantissa bits.
///
/// To FP16 rounds to nearest, ties to even: beyond 65504 (from 65520 on) becomes an infinity,
/// denormals and both zeros are kept, NaN stays NaN. From FP16 is exact.
///
/// Safe for any thread.
public final class Fp16 {
  private Fp16() {}

  /// {@return the nearest FP16, as its 16 bits}
  ///
  /// @param value any float32
  public static short fromFloat(float value) {
    return Float.floatToFloat16(value);
  }

  /// {@return the float32 of the same value}
  ///
  /// @param bits an FP16
  public static float toFloat(short bits) {
    return Float.float16ToFloat(bits);
  }
}
