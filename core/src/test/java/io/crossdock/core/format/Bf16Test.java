package io.crossdock.core.format;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_SHORT_UNALIGNED;
import static org.assertj.core.api.Assertions.assertThat;

import java.lang.foreign.MemorySegment;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class Bf16Test {
  private static final int CODES = 1 << 16;

  @Test
  void everyPatternMeansWhatItsBitsSayAndComesBack() {
    for (int code = 0; code < CODES; code++) {
      float value = Bf16.toFloat((short) code);
      if (isNan(code)) {
        assertThat(value).isNaN();
        assertThat(bits(value)).as("code=%x", code).isEqualTo(code | 0x40);
      } else {
        assertThat(bits(value)).as("code=%x", code).isEqualTo(code);
        if (!Float.isInfinite(value)) {
          assertThat((double) value).as("code=%x", code).isEqualTo(SmallFloat.BF16.value(code));
        }
      }
    }
  }

  /// Behind every pattern, the lower halves at which rounding changes its mind.
  @ParameterizedTest
  @ValueSource(ints = {0x0001, 0x7fff, 0x8000, 0x8001, 0xffff})
  void everyPatternRoundsToNearestEven(int lowerHalf) {
    for (int code = 0; code < CODES; code++) {
      float value = Float.intBitsToFloat(code << 16 | lowerHalf);
      if (!Float.isNaN(value)) {
        assertThat(bits(value)).as("value=%s", value).isEqualTo(SmallFloat.BF16.nearest(value));
      }
    }
  }

  @Property(tries = 20_000)
  void anyFloatRoundsToNearestEven(@ForAll int pattern) {
    float value = Float.intBitsToFloat(pattern);
    if (Float.isNaN(value)) {
      assertThat(Bf16.toFloat(Bf16.fromFloat(value))).isNaN();
      assertThat(bits(value) & 0x8000).isEqualTo(pattern >>> 16 & 0x8000);
    } else {
      assertThat(bits(value)).isEqualTo(SmallFloat.BF16.nearest(value));
    }
  }

  @ParameterizedTest
  @CsvSource({
    "0x0p0, 0x0000",
    "-0x0p0, 0x8000",
    "0x1.01p0, 0x3f80", // a tie, down to the even mantissa
    "0x1.03p0, 0x3f82", // a tie, up to the even mantissa
    "0x1.010002p0, 0x3f81",
    "0x1.fep127, 0x7f7f",
    "0x1.fefffep127, 0x7f7f",
    "0x1.ffp127, 0x7f80", // as far from the largest as from 2^128
    "-0x1.fffffep127, 0xff80",
    "Infinity, 0x7f80",
    "-Infinity, 0xff80",
    "0x1p-133, 0x0001", // the smallest denormal
    "0x1p-134, 0x0000", // half of it
    "0x1.8p-134, 0x0001",
    "-0x1p-149, 0x8000",
    "0x1.ffp-127, 0x0080", // a denormal that rounds up to the smallest normal number
  })
  void edges(String number, String code) {
    float value = Float.parseFloat(number);
    assertThat(bits(value)).isEqualTo(Integer.decode(code));
  }

  @ParameterizedTest
  @ValueSource(ints = {0x7f800001, 0x7fffffff, 0xff800001, 0xffffffff, 0x7fc00000, 0x7f80ffff})
  void nanStaysNanEvenIfItsPayloadLiesInTheLowerHalf(int pattern) {
    short code = Bf16.fromFloat(Float.intBitsToFloat(pattern));
    assertThat(Bf16.toFloat(code)).isNaN();
    assertThat(code < 0).isEqualTo(pattern < 0);
  }

  @Test
  void rowsAreConvertedAtAnyAlignmentAndNothingElseIsTouched() {
    float[] values = {1f, -2.5f, 0x1.01p0f, Float.NEGATIVE_INFINITY, -0f};
    MemorySegment memory = MemorySegment.ofArray(new byte[1 + values.length * 2 + 1]);
    memory.fill((byte) 0x55);
    MemorySegment row = memory.asSlice(1, values.length * 2L);
    Bf16.encodeRow(values, row);
    assertThat(row.get(JAVA_SHORT_UNALIGNED, 2)).isEqualTo((short) 0xc020);
    float[] back = new float[values.length];
    Bf16.decodeRow(row, back);
    assertThat(back).containsExactly(1f, -2.5f, 1f, Float.NEGATIVE_INFINITY, -0f);
    assertThat(memory.get(JAVA_BYTE, 0)).isEqualTo((byte) 0x55);
    assertThat(memory.get(JAVA_BYTE, memory.byteSize() - 1)).isEqualTo((byte) 0x55);
  }

  private static boolean isNan(int code) {
    return (code & 0x7fff) > 0x7f80;
  }

  private static int bits(float value) {
    return Bf16.fromFloat(value) & 0xffff;
  }
}
