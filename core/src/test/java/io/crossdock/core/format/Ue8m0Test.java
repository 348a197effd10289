package io.crossdock.core.format;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;
import static org.assertj.core.api.Assertions.assertThat;

import java.lang.foreign.MemorySegment;
import java.nio.ByteOrder;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class Ue8m0Test {
  @Test
  void everyByteIsItsPowerOfTwoAndComesBack() {
    for (int exponent = 0; exponent < 255; exponent++) {
      float value = Ue8m0.toFloat((byte) exponent);
      assertThat((double) value).isEqualTo(Math.pow(2, exponent - 127));
      assertThat(Ue8m0.ceiling(value) & 0xff).isEqualTo(exponent);
    }
    assertThat(Ue8m0.ceiling(Float.MIN_VALUE)).isZero();
    assertThat(Ue8m0.toFloat((byte) 255)).isEqualTo(Float.POSITIVE_INFINITY);
    assertThat(Ue8m0.ceiling(Float.POSITIVE_INFINITY) & 0xff).isEqualTo(255);
  }

  @Test
  void aValueBesideAPowerOfTwoGoesToThePowerAtOrAboveIt() {
    for (int exponent = 1; exponent < 254; exponent++) {
      float power = Ue8m0.toFloat((byte) exponent);
      assertThat(Ue8m0.ceiling(Math.nextUp(power)) & 0xff).isEqualTo(exponent + 1);
      assertThat(Ue8m0.ceiling(Math.nextDown(power)) & 0xff).isEqualTo(exponent);
      assertThat(Ue8m0.ceiling(power * 1.5f) & 0xff).isEqualTo(exponent + 1);
    }
  }

  @ParameterizedTest
  @CsvSource({"0, 0", "1, 1", "4, 1", "5, 2", "8, 2", "23, 6", "56, 14"})
  void fourScalesShareAWord(int numScales, int numWords) {
    assertThat(Ue8m0.numWords(numScales)).isEqualTo(numWords);
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 1, 3, 4, 5, 7, 8, 9})
  void scalesSurvivePackingAndSpareBytesAreZero(int numScales) {
    MemorySegment scales = unaligned(numScales * 4);
    for (int i = 0; i < numScales; i++) {
      scales.set(JAVA_FLOAT_UNALIGNED, i * 4L, Math.scalb(1f, i * 7 - 20));
    }
    MemorySegment packed = unaligned(Ue8m0.numWords(numScales) * 4);
    packed.fill((byte) 0xee);
    Ue8m0.packRow(scales, packed);
    for (int spare = numScales; spare < packed.byteSize(); spare++) {
      assertThat(packed.get(JAVA_BYTE, spare)).isZero();
    }
    MemorySegment back = unaligned(numScales * 4);
    Ue8m0.unpackRow(packed, back);
    assertThat(back.mismatch(scales)).isEqualTo(-1);
  }

  @Test
  void theFirstScaleIsTheLowestByteOfTheWord() {
    MemorySegment scales = MemorySegment.ofArray(new float[] {1f, 2f, 0.25f, 0x1p100f, 4f});
    MemorySegment packed = MemorySegment.ofArray(new byte[8]);
    Ue8m0.packRow(scales, packed);
    var word = JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    assertThat(packed.get(word, 0)).isEqualTo(0xe3_7d_80_7f);
    assertThat(packed.get(word, 4)).isEqualTo(0x81);
  }

  private static MemorySegment unaligned(int bytes) {
    return MemorySegment.ofArray(new byte[bytes + 1]).asSlice(1);
  }
}
