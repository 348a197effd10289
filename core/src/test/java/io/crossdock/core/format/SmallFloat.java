package io.crossdock.core.format;

/// A narrow float format written out from the meaning of its bits, in float64 where every value and
/// every difference is exact. It rounds by looking for the nearest value: nothing here is shared
/// with the code under test.
///
/// @param exponentBits bits of the exponent
/// @param mantissaBits bits of the mantissa
/// @param bias of the exponent
/// @param maxCode the code of the largest finite magnitude
/// @param beyond what lies beyond it
record SmallFloat(int exponentBits, int mantissaBits, int bias, int maxCode, Beyond beyond) {
  enum Beyond {
    INFINITY,
    SATURATION
  }

  static final SmallFloat BF16 = new SmallFloat(8, 7, 127, 0x7f7f, Beyond.INFINITY);
  static final SmallFloat FP16 = new SmallFloat(5, 10, 15, 0x7bff, Beyond.INFINITY);
  static final SmallFloat E4M3 = new SmallFloat(4, 3, 7, 0x7e, Beyond.SATURATION);

  int signBit() {
    return 1 << (exponentBits + mantissaBits);
  }

  /// {@return the magnitude of a code without its sign; behind the largest, the next power of two}
  double magnitude(int code) {
    int exponent = code >> mantissaBits;
    int mantissa = code & ((1 << mantissaBits) - 1);
    int implicit = exponent == 0 ? 0 : 1 << mantissaBits;
    return (implicit + mantissa) * Math.pow(2, Math.max(exponent, 1) - bias - mantissaBits);
  }

  double value(int code) {
    double magnitude = magnitude(code & (signBit() - 1));
    return (code & signBit()) == 0 ? magnitude : -magnitude;
  }

  /// {@return the code nearest to a number that is not NaN, the even one of two}
  int nearest(float number) {
    int sign = Math.copySign(1f, number) < 0 ? signBit() : 0;
    double wanted = Math.abs((double) number);
    int top = beyond == Beyond.INFINITY ? maxCode + 1 : maxCode;
    int low = 0;
    int high = top;
    while (high - low > 1) {
      int middle = (low + high) / 2;
      if (magnitude(middle) <= wanted) {
        low = middle;
      } else {
        high = middle;
      }
    }
    double below = wanted - magnitude(low);
    double above = magnitude(high) - wanted;
    boolean up = above < below || (above == below && high % 2 == 0);
    return sign | (up ? high : low);
  }
}
