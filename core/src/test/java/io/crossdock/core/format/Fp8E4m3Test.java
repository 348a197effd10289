package io.crossdock.core.format;

import static org.assertj.core.api.Assertions.assertThat;

import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.FloatRange;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class Fp8E4m3Test {
  private static final int CODES = 256;
  private static final int MAX_CODE = 0x7e;

  @Test
  void everyCodeMeansWhatItsBitsSayAndComesBack() {
    for (int code = 0; code < CODES; code++) {
      float value = Fp8E4m3.toFloat((byte) code);
      if ((code & 0x7f) == 0x7f) {
        assertThat(value).isNaN();
      } else {
        assertThat((double) value).as("code=%x", code).isEqualTo(SmallFloat.E4M3.value(code));
        assertThat(bits(value)).as("code=%x", code).isEqualTo(code);
      }
    }
    assertThat(Fp8E4m3.MAX).isEqualTo(448f).isEqualTo(Fp8E4m3.toFloat((byte) MAX_CODE));
  }

  @Test
  void betweenTwoNeighboursTheNearerWinsAndTheEvenOneOnATie() {
    for (int code = 0; code < MAX_CODE; code++) {
      double low = SmallFloat.E4M3.magnitude(code);
      float middle = (float) ((low + SmallFloat.E4M3.magnitude(code + 1)) / 2);
      assertThat(bits(middle)).as("code=%x", code).isEqualTo(code + code % 2);
      assertThat(bits(-middle)).as("code=%x", code).isEqualTo(0x80 | code + code % 2);
      assertThat(bits(Math.nextDown(middle))).as("code=%x", code).isEqualTo(code);
      assertThat(bits(Math.nextUp(middle))).as("code=%x", code).isEqualTo(code + 1);
    }
  }

  @Property(tries = 20_000)
  void anyFloatInRangeRoundsToNearestEven(@ForAll @FloatRange(min = -500, max = 500) float x) {
    assertThat(bits(x)).isEqualTo(SmallFloat.E4M3.nearest(x));
  }

  @Property(tries = 20_000)
  void anyPatternRoundsToNearestEven(@ForAll int pattern) {
    float value = Float.intBitsToFloat(pattern);
    int expected =
        Float.isNaN(value) ? (pattern >>> 24 & 0x80) | 0x7f : SmallFloat.E4M3.nearest(value);
    assertThat(bits(value)).isEqualTo(expected);
  }

  @ParameterizedTest
  @CsvSource({
    "0x0p0, 0x00",
    "-0x0p0, 0x80",
    "448, 0x7e",
    "464, 0x7e", // halfway to what would be 480
    "464.1, 0x7e",
    "480, 0x7e",
    "1e30, 0x7e",
    "-1e30, 0xfe",
    "Infinity, 0x7e",
    "-Infinity, 0xfe",
    "0x1p-6, 0x08", // the smallest normal number
    "0x1p-9, 0x01", // the smallest denormal
    "0x1p-10, 0x00", // a tie with zero
    "0x1.000002p-10, 0x01",
    "0x1.8p-9, 0x02",
    "-0x1p-149, 0x80",
    "0x1.fp-7, 0x08", // a denormal that rounds up to the smallest normal number
  })
  void edges(String number, String code) {
    assertThat(bits(Float.parseFloat(number))).isEqualTo(Integer.decode(code));
  }

  @Test
  void nanKeepsItsSign() {
    assertThat(bits(Float.intBitsToFloat(0x7fc00000))).isEqualTo(0x7f);
    assertThat(bits(Float.intBitsToFloat(0xffc00000))).isEqualTo(0xff);
    assertThat(bits(Float.intBitsToFloat(0x7f800001))).isEqualTo(0x7f);
  }

  private static int bits(float value) {
    return Fp8E4m3.fromFloat(value) & 0xff;
  }
}
