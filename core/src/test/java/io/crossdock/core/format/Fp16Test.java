package io.crossdock.core.format;

import static org.assertj.core.api.Assertions.assertThat;

import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.FloatRange;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class Fp16Test {
  private static final int CODES = 1 << 16;
  private static final int INFINITY = 0x7c00;

  @Test
  void everyPatternMeansWhatItsBitsSayAndComesBack() {
    for (int code = 0; code < CODES; code++) {
      float value = Fp16.toFloat((short) code);
      int magnitude = code & 0x7fff;
      if (magnitude > INFINITY) {
        assertThat(value).isNaN();
        assertThat(Fp16.toFloat(Fp16.fromFloat(value))).isNaN();
      } else {
        assertThat(bits(value)).as("code=%x", code).isEqualTo(code);
        double expected =
            magnitude == INFINITY ? Double.POSITIVE_INFINITY : SmallFloat.FP16.magnitude(magnitude);
        assertThat((double) Math.abs(value)).as("code=%x", code).isEqualTo(expected);
      }
    }
  }

  @Test
  void betweenTwoNeighboursTheNearerWinsAndTheEvenOneOnATie() {
    for (int code = 0; code < INFINITY; code++) {
      double low = SmallFloat.FP16.magnitude(code);
      float middle = (float) ((low + SmallFloat.FP16.magnitude(code + 1)) / 2);
      assertThat(bits(middle)).as("code=%x", code).isEqualTo(code + code % 2);
      assertThat(bits(Math.nextDown(middle))).as("code=%x", code).isEqualTo(code);
      assertThat(bits(-Math.nextUp(middle))).as("code=%x", code).isEqualTo(0x8000 | code + 1);
    }
  }

  @Property(tries = 10_000)
  void anyFloatInRangeRoundsToNearestEven(@ForAll @FloatRange(min = -70000, max = 70000) float x) {
    assertThat(bits(x)).isEqualTo(SmallFloat.FP16.nearest(x));
  }

  @Property(tries = 10_000)
  void anyPatternRoundsToNearestEven(@ForAll int pattern) {
    float value = Float.intBitsToFloat(pattern);
    if (Float.isNaN(value)) {
      assertThat(Fp16.toFloat(Fp16.fromFloat(value))).isNaN();
    } else {
      assertThat(bits(value)).isEqualTo(SmallFloat.FP16.nearest(value));
    }
  }

  @ParameterizedTest
  @CsvSource({
    "-0x0p0, 0x8000",
    "65504, 0x7bff",
    "65519.996, 0x7bff",
    "65520, 0x7c00",
    "-Infinity, 0xfc00",
    "0x1p-24, 0x0001",
    "0x1p-25, 0x0000",
    "0x1.8p-25, 0x0001",
  })
  void edges(String number, String code) {
    assertThat(bits(Float.parseFloat(number))).isEqualTo(Integer.decode(code));
  }

  private static int bits(float value) {
    return Fp16.fromFloat(value) & 0xffff;
  }
}
