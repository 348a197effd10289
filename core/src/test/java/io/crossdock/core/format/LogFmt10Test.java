package io.crossdock.core.format;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.SplittableRandom;
import net.jqwik.api.EdgeCasesMode;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.Test;

class LogFmt10Test {
  private static final int GROUP = LogFmt10.CHANNELS;
  private static final byte CANARY = 0x5a;
  private static final int SHIFT = 3;

  /// A row, the bytes it was encoded to, and what these read back as.
  private record Encoded(float[] row, byte[] bytes, float[] back) {
    static Encoded of(float... values) {
      int hidden = values.length;
      MemorySegment row = MemorySegment.ofArray(new byte[2 * hidden + SHIFT]);
      Bf16.encodeRow(values, row.asSlice(SHIFT));
      float[] rounded = new float[hidden];
      Bf16.decodeRow(row.asSlice(SHIFT), rounded);
      int room = (int) LogFmt10.maxRowBytes(hidden);
      MemorySegment page = MemorySegment.ofArray(new byte[room + 2 * SHIFT]).fill(CANARY);
      long used = LogFmt10.encodeRow(row, SHIFT, page, SHIFT, hidden);
      float[] back = new float[hidden];
      assertThat(LogFmt10.decodeRow(page, SHIFT, back)).isEqualTo(used);
      for (long at = 0; at < page.byteSize(); at++) {
        if (at < SHIFT || at >= SHIFT + used) {
          assertThat(page.get(JAVA_BYTE, at)).as("byte beside the row: %d", at).isEqualTo(CANARY);
        }
      }
      return new Encoded(rounded, page.asSlice(SHIFT, used).toArray(JAVA_BYTE), back);
    }

    int header(int group) {
      return MemorySegment.ofArray(bytes).get(JAVA_INT_UNALIGNED, group * 4L);
    }

    /// The code of a channel of the first group of a row of one group, sign above it.
    int code(int channel) {
      int n = row.length;
      int pair = (bytes[4 + n + channel % (n / 4)] >> (2 * (channel / (n / 4)))) & 3;
      return (pair << 8) | (bytes[4 + channel] & 0xff);
    }
  }

  @Property(tries = 500, edgeCases = EdgeCasesMode.NONE)
  void everyChannelHasTheNearestCode(
      @ForAll long seed,
      @ForAll @IntRange(min = 1, max = 16) int eighths,
      @ForAll @IntRange(min = -133, max = -1) int exponent,
      @ForAll @IntRange(min = 0, max = 32) int octaves) {
    float[] values = spread(seed, eighths * 8, exponent, octaves);
    Encoded got = Encoded.of(values);
    double amin = Double.POSITIVE_INFINITY;
    double amax = 0;
    for (float value : got.row) {
      amin = value == 0 ? amin : Math.min(amin, Math.abs(value));
      amax = Math.max(amax, Math.abs(value));
    }
    if (amax == 0 || amax >= 1 || amax > amin * 0x1p32) {
      return;
    }
    double step = (log2(amax) - log2(amin)) / 510;
    assertThat(got.bytes).hasSize(4 + values.length * 5 / 4);
    for (int i = 0; i < values.length; i++) {
      float value = got.row[i];
      int code = got.code(i);
      assertThat(code >>> 9 == 1).isEqualTo(1 / value < 0);
      if (value == 0) {
        assertThat(code & 0x1ff).isZero();
        assertThat(got.back[i]).isEqualTo(value);
        continue;
      }
      assertThat(code & 0x1ff).isBetween(1, 511);
      double position = step == 0 ? 0 : (log2(Math.abs(value)) - log2(amin)) / step;
      double rounding = step == 0 ? 0 : 2e-5 / step;
      assertThat((code & 0x1ff) - 1.0).isEqualTo(position, within(0.5 + rounding));
      double error = Math.pow(2, step / 2) - 1 + 2e-5;
      assertThat((double) got.back[i])
          .isEqualTo(value, within(error * Math.abs(value) + Float.MIN_VALUE));
      assertThat((double) Math.abs(got.back[i])).isBetween(amin, amax);
    }
  }

  @Property(tries = 200)
  void aGroupOfOneMagnitudeIsExact(
      @ForAll @IntRange(min = 1, max = 0x3f7f) int bits, @ForAll long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    float[] values = new float[GROUP];
    for (int i = 0; i < GROUP; i++) {
      float value = random.nextInt(5) == 0 ? 0 : Bf16.toFloat((short) bits);
      values[i] = random.nextBoolean() ? value : -value;
    }
    values[0] = Bf16.toFloat((short) bits);
    Encoded got = Encoded.of(values);
    assertThat(got.header(0)).isEqualTo((bits << 16) | bits);
    assertThat(got.back).isEqualTo(values);
  }

  @Test
  void aGroupOfZerosKeepsItsSigns() {
    float[] values = new float[GROUP];
    values[3] = -0f;
    Encoded got = Encoded.of(values);
    assertThat(got.header(0)).isZero();
    assertThat(got.code(3)).isEqualTo(0x200);
    assertThat(got.code(4)).isZero();
    assertThat(got.back).isEqualTo(values);
  }

  @Test
  void theEndsOfTheRangeHaveTheFirstAndTheLastCode() {
    float[] values = filled(0x1p-10f);
    values[1] = -0x1p-3f;
    values[2] = 0;
    Encoded got = Encoded.of(values);
    assertThat(got.code(0)).isEqualTo(1);
    assertThat(got.code(1)).isEqualTo(0x200 | 511);
    assertThat(got.code(2)).isZero();
    assertThat(got.back[0]).isEqualTo(0x1p-10f);
    assertThat(got.back[1]).isEqualTo(-0x1p-3f, within(1e-6f));
  }

  @Test
  void aGroupThatReachesOneIsPlain() {
    float below = Bf16.toFloat((short) 0x3f7f);
    assertThat(plain(filled(0.25f, below))).isFalse();
    assertThat(plain(filled(0.25f, 1f))).isTrue();
    assertThat(plain(filled(0.25f, -2f))).isTrue();
    assertThat(plain(filled(0.25f, Float.NaN))).isTrue();
    assertThat(plain(filled(0.25f, Float.NEGATIVE_INFINITY))).isTrue();
  }

  @Test
  void aGroupOfMoreThan32OctavesIsPlain() {
    assertThat(plain(filled(0x1p-2f, 0x1p-34f))).isFalse();
    assertThat(plain(filled(0x1.02p-2f, 0x1p-34f))).isTrue();
    assertThat(plain(filled(0x1p-2f, 0x1.fep-35f))).isTrue();
    // Among denormals too, the smallest of which is 2^-133.
    assertThat(plain(filled(0x1p-101f, 0x1p-133f))).isFalse();
    assertThat(plain(filled(0x1.02p-101f, 0x1p-133f))).isTrue();
  }

  @Test
  void aPlainGroupKeepsItsBits() {
    float[] values = new float[GROUP];
    for (int i = 0; i < GROUP; i++) {
      values[i] = Bf16.toFloat((short) (i % 2 == 0 ? 0x7f80 + i : 0x8000 + i));
    }
    Encoded got = Encoded.of(values);
    assertThat(got.bytes).hasSize(4 + 2 * GROUP);
    for (int i = 0; i < GROUP; i++) {
      assertThat(Float.floatToRawIntBits(got.back[i]))
          .isEqualTo(Float.floatToRawIntBits(got.row[i]));
    }
  }

  @Test
  void groupsDoNotDependOnEachOther() {
    float[] values = new float[3 * GROUP + 40];
    for (int group = 0; group < 4; group++) {
      float[] part = spread(group, Math.min(GROUP, values.length - group * GROUP), -group, 20);
      System.arraycopy(part, 0, values, group * GROUP, part.length);
    }
    values[GROUP] = 5;
    Encoded whole = Encoded.of(values);
    assertThat(whole.bytes).hasSize(4 * 4 + 2 * 160 + 256 + 50);
    for (int first = 0; first < values.length; first += GROUP) {
      int end = Math.min(first + GROUP, values.length);
      Encoded alone = Encoded.of(Arrays.copyOfRange(values, first, end));
      assertThat(whole.header(first / GROUP)).isEqualTo(alone.header(0));
      assertThat(Arrays.copyOfRange(whole.back, first, end)).isEqualTo(alone.back);
    }
  }

  @Test
  void aCodedRowHasAtMost65HundredthsOfItsBytes() {
    for (int hidden = 128; hidden <= 16384; hidden += hidden < 512 ? 128 : 8) {
      assertThat((double) LogFmt10.codedRowBytes(hidden)).isLessThanOrEqualTo(0.65 * 2 * hidden);
    }
    assertThat(LogFmt10.codedRowBytes(7168)).isEqualTo(56 * 4 + 8960);
    assertThat(Encoded.of(spread(1, 7168, -1, 8)).bytes).hasSize(56 * 4 + 8960);
  }

  private static boolean plain(float... values) {
    Encoded got = Encoded.of(values);
    boolean plain = got.header(0) < 0;
    assertThat(got.bytes).hasSize(4 + (plain ? 2 * GROUP : GROUP * 5 / 4));
    return plain;
  }

  private static float[] filled(float value, float... first) {
    float[] values = new float[GROUP];
    Arrays.fill(values, value);
    System.arraycopy(first, 0, values, 0, first.length);
    return values;
  }

  private static double log2(double value) {
    return Math.log(value) / Math.log(2);
  }

  /// Numbers of both signs over some octaves up to 2^exponent, zeros among them.
  private static float[] spread(long seed, int count, int exponent, int octaves) {
    SplittableRandom random = new SplittableRandom(seed);
    float[] values = new float[count];
    for (int i = 0; i < count; i++) {
      double magnitude = Math.pow(2, exponent - octaves * random.nextDouble());
      float value = (float) (random.nextInt(20) == 0 ? 0 : magnitude);
      values[i] = random.nextBoolean() ? value : -value;
    }
    return values;
  }
}
