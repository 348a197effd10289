package io.crossdock.host;

import io.crossdock.core.format.Bf16;
import java.util.SplittableRandom;

/// What BF16 rows of a test hold. Everything follows from the seed.
enum RowValues {
  /// Normal numbers.
  NORMAL,
  /// Numbers whose logarithm is normal, of many magnitudes.
  LOG_NORMAL,
  /// Cauchy: now and then a number far beyond all others.
  CAUCHY,
  /// One number of both signs.
  CONSTANT,
  /// Zeros and denormals.
  TINY,
  /// Zeros.
  ZERO,
  /// Zeros, denormals, infinities, the largest numbers and NaN among plain numbers.
  SPECIAL,
  /// Any 16 bits.
  ANY_BITS;

  private static final int[] SPECIALS = {
    0x0000, 0x0001, 0x0040, 0x007f, 0x0080, 0x3f80, 0x7f7f, 0x7f80, 0x7f81, 0x7fbf, 0x7fc0, 0x7fff
  };

  /// {@return a row}
  ///
  /// @param seed of all values
  /// @param hidden H
  /// @param exponent values are some 2^exponent
  short[] row(long seed, int hidden, int exponent) {
    SplittableRandom random = new SplittableRandom(seed);
    short[] row = new short[hidden];
    for (int i = 0; i < hidden; i++) {
      row[i] = value(random, exponent);
    }
    return row;
  }

  private short value(SplittableRandom random, int exponent) {
    return switch (this) {
      case NORMAL -> bf16(random.nextGaussian(), exponent);
      case LOG_NORMAL -> bf16(sign(random) * Math.exp(2 * random.nextGaussian()), exponent);
      case CAUCHY -> bf16(Math.tan(Math.PI * random.nextDouble(-0.5, 0.5)), exponent);
      case CONSTANT -> bf16(sign(random), exponent);
      case TINY -> signed(random, random.nextInt(4) == 0 ? 0 : random.nextInt(0x80));
      case ZERO -> signed(random, 0);
      case SPECIAL ->
          random.nextInt(16) == 0
              ? signed(random, SPECIALS[random.nextInt(SPECIALS.length)])
              : bf16(random.nextGaussian(), exponent);
      case ANY_BITS -> (short) random.nextInt();
    };
  }

  private static int sign(SplittableRandom random) {
    return random.nextBoolean() ? 1 : -1;
  }

  private static short signed(SplittableRandom random, int magnitude) {
    return (short) (random.nextInt(2) << 15 | magnitude);
  }

  private static short bf16(double value, int exponent) {
    return Bf16.fromFloat((float) (value * Math.pow(2, exponent)));
  }
}
