package io.crossdock.core.format;

/// Logarithm and power to the base 2 as fixed sequences of float32 operations, so that every
/// implementation gives the same bits: each step is one IEEE operation rounded to nearest, `fma` is
/// one, denormals are kept. Neither depends on a library, none of which promises its last bit.
///
/// Safe for any thread.
public final class Log2 {
  /// 2^64: brings every denormal among the normal numbers, without rounding.
  public static final float RAISE = 0x1p64f;

  /// The exponent of [#RAISE].
  public static final int RAISED = 64;

  /// 1.5 * 2^23: what a number below 2^22 is added to, to round it to an integer.
  public static final float ROUND = 0x1.8p23f;

  /// Bits of the square root of 1/2, the smallest mantissa of [#log2].
  public static final int ROOT_BITS = 0x3f3504f3;

  /// Bits of a mantissa.
  public static final int MANTISSA = 0x7fffff;

  /// How many.
  public static final int MANTISSA_BITS = 23;

  /// Coefficient of f^0 in log2(1 + f) / f.
  public static final float L0 = 0x1.71548ep0f;

  /// Coefficient of f^1 in log2(1 + f) / f.
  public static final float L1 = -0x1.715692p-1f;

  /// Coefficient of f^2 in log2(1 + f) / f.
  public static final float L2 = 0x1.ec296cp-2f;

  /// Coefficient of f^3 in log2(1 + f) / f.
  public static final float L3 = -0x1.6fff1ep-2f;

  /// Coefficient of f^4 in log2(1 + f) / f.
  public static final float L4 = 0x1.2ecbdap-2f;

  /// Coefficient of f^5 in log2(1 + f) / f.
  public static final float L5 = -0x1.13c8aep-2f;

  /// Coefficient of f^6 in log2(1 + f) / f.
  public static final float L6 = 0x1.5f7cb2p-3f;

  /// Coefficient of r^0 in 2^r.
  public static final float E0 = 1;

  /// Coefficient of r^1 in 2^r.
  public static final float E1 = 0x1.62e428p-1f;

  /// Coefficient of r^2 in 2^r.
  public static final float E2 = 0x1.ebf918p-3f;

  /// Coefficient of r^3 in 2^r.
  public static final float E3 = 0x1.c6b6e4p-5f;

  /// Coefficient of r^4 in 2^r.
  public static final float E4 = 0x1.3d0c52p-7f;

  /// Coefficient of r^5 in 2^r.
  public static final float E5 = 0x1.5c08e6p-10f;

  private Log2() {}

  /// The logarithm of x: with y = x * 2^64 = m * 2^e, m from the square root of 1/2 to that of 2,
  /// and f = m - 1, it is fma(f, P(f), e - 64), P by Horner with fma. Powers of two are exact; the
  /// error is below 1e-6 besides the last rounding.
  ///
  /// @param x positive, at most 1
  /// @return its logarithm; any finite number for 0
  public static float log2(float x) {
    int bits = Float.floatToRawIntBits(x * RAISE) - ROOT_BITS;
    float exponent = (bits >> MANTISSA_BITS) - RAISED;
    float f = Float.intBitsToFloat((bits & MANTISSA) + ROOT_BITS) - 1;
    float p = Math.fma(L6, f, L5);
    p = Math.fma(p, f, L4);
    p = Math.fma(p, f, L3);
    p = Math.fma(p, f, L2);
    p = Math.fma(p, f, L1);
    p = Math.fma(p, f, L0);
    return Math.fma(f, p, exponent);
  }

  /// The power 2^l: with n the integer next to l, ties to even, and r = l - n, it is Q(r) * 2^n, Q
  /// by Horner with fma; first scaled by 2^(n + 64), which is exact, then by 2^-64. The relative
  /// error is below 4e-7 where the power is no denormal.
  ///
  /// @param l from -150 to 0
  /// @return the power
  public static float exp2(float l) {
    float n = (l + ROUND) - ROUND;
    float r = l - n;
    float q = Math.fma(E5, r, E4);
    q = Math.fma(q, r, E3);
    q = Math.fma(q, r, E2);
    q = Math.fma(q, r, E1);
    q = Math.fma(q, r, E0);
    int raised = Float.floatToRawIntBits(q) + (((int) n + RAISED) << MANTISSA_BITS);
    return Float.intBitsToFloat(raised) * (1 / RAISE);
  }
}
