package io.crossdock.core.format;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import org.junit.jupiter.api.Test;

class Log2Test {
  private static final int ONE = 0x3f80;

  @Test
  void powersOfTwoAreExact() {
    for (int exponent = -149; exponent <= 0; exponent++) {
      float power = Math.scalb(1f, exponent);
      assertThat(Log2.log2(power)).isEqualTo((float) exponent);
      assertThat(Log2.exp2(exponent)).isEqualTo(power);
    }
  }

  @Test
  void theLogarithmOfEveryBf16IsCloseAndGrows() {
    float before = Float.NEGATIVE_INFINITY;
    for (int bits = 1; bits <= ONE; bits++) {
      float x = Bf16.toFloat((short) bits);
      float got = Log2.log2(x);
      double wanted = Math.log(x) / Math.log(2);
      assertThat((double) got).isEqualTo(wanted, within(1e-6 + Math.ulp(got)));
      assertThat(got).as("bits=%04x", bits).isGreaterThan(before);
      before = got;
    }
  }

  @Test
  void thePowerIsClose() {
    for (int i = 0; i <= 1_500_000; i++) {
      float l = -i * 1e-4f;
      double wanted = Math.pow(2, l);
      double room = 4e-7 * wanted + Float.MIN_VALUE / 2.0;
      assertThat(Math.abs(Log2.exp2(l) - wanted)).as("l=%s", l).isLessThanOrEqualTo(room);
    }
  }

  /// Computed once with exact fractions, rounded after each step of the definition.
  @Test
  void theBitsAreThoseOfTheDefinition() {
    assertThat(Float.floatToRawIntBits(Log2.log2(0.7f))).isEqualTo(0xbf03bb15);
    assertThat(Float.floatToRawIntBits(Log2.log2(0x1.1p-100f))).isEqualTo(0xc2c7d338);
    assertThat(Float.floatToRawIntBits(Log2.exp2(-0.3f))).isEqualTo(0x3f4fefc4);
    assertThat(Float.floatToRawIntBits(Log2.exp2(-77.7f))).isEqualTo(0x189d9639);
  }
}
