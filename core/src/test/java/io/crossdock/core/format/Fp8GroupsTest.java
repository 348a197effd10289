package io.crossdock.core.format;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.crossdock.core.routing.CalcDiff;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.SplittableRandom;
import net.jqwik.api.EdgeCasesMode;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class Fp8GroupsTest {
  private static final int GROUP = Fp8Groups.CHANNELS;

  /// A quantised row and what it reads back as.
  private record Quantised(float[] row, byte[] codes, float[] scales, float[] back) {
    static Quantised of(float[] values, Fp8Scale rule) {
      int groups = values.length / GROUP;
      MemorySegment row = unaligned(values.length * 2);
      MemorySegment codes = unaligned(values.length);
      MemorySegment scales = unaligned(groups * 4);
      Bf16.encodeRow(values, row);
      Fp8Groups.quantiseRow(row, rule, codes, scales);
      float[] rounded = new float[values.length];
      float[] back = new float[values.length];
      float[] factors = new float[groups];
      Bf16.decodeRow(row, rounded);
      Fp8Groups.dequantiseRow(codes, scales, back);
      for (int g = 0; g < groups; g++) {
        factors[g] = scales.get(JAVA_FLOAT_UNALIGNED, g * 4L);
      }
      return new Quantised(rounded, codes.toArray(JAVA_BYTE), factors, back);
    }

    private static MemorySegment unaligned(int bytes) {
      return MemorySegment.ofArray(new byte[bytes + 1]).asSlice(1);
    }
  }

  @Property(tries = 300, edgeCases = EdgeCasesMode.NONE)
  void everyElementFollowsTheRule(
      @ForAll long seed,
      @ForAll @IntRange(min = 1, max = 4) int groups,
      @ForAll @IntRange(min = -20, max = 60) int exponent,
      @ForAll Fp8Scale rule) {
    Quantised got = Quantised.of(noise(seed, groups * GROUP, Math.scalb(1f, exponent)), rule);
    for (int g = 0; g < groups; g++) {
      float amax = 1e-4f;
      for (float value : Arrays.copyOfRange(got.row, g * GROUP, (g + 1) * GROUP)) {
        amax = Math.max(amax, Math.abs(value));
      }
      float scale = rule == Fp8Scale.AMAX ? amax / 448f : powerAtOrAbove(amax / 448f);
      assertThat(got.scales[g]).isEqualTo(scale);
      for (int i = g * GROUP; i < (g + 1) * GROUP; i++) {
        float q = rule == Fp8Scale.AMAX ? got.row[i] * (448f / amax) : got.row[i] / scale;
        assertThat(got.codes[i] & 0xff).isEqualTo(SmallFloat.E4M3.nearest(q));
        float value = (float) SmallFloat.E4M3.value(got.codes[i] & 0xff) * scale;
        assertThat(got.back[i]).isEqualTo(value);
      }
    }
  }

  @Property(tries = 300)
  void theErrorIsAtMostHalfAStep(@ForAll long seed, @ForAll Fp8Scale rule) {
    Quantised got = Quantised.of(noise(seed, GROUP, 3f), rule);
    for (int i = 0; i < GROUP; i++) {
      double step = Math.max(Math.abs(got.row[i]) / 16, got.scales[0] * 0x1p-10);
      assertThat((double) got.back[i]).isEqualTo(got.row[i], within(step * (1 + 1e-6)));
    }
  }

  @Property(tries = 100)
  void theRoundTripStaysWithinItsGate(@ForAll long seed, @ForAll Fp8Scale rule) {
    Quantised got = Quantised.of(normal(seed, 16 * GROUP), rule);
    double gate = rule == Fp8Scale.AMAX ? 5e-4 : 0.007;
    assertThat(CalcDiff.of(got.row, got.back)).isPositive().isLessThan(gate);
  }

  @Test
  void theScaleIsADivisionNotAProduct() {
    float amax = 1.015625f;
    assertThat(amax / 448f).isNotEqualTo(amax * (1f / 448f));
    assertThat(single(amax).scales[0]).isEqualTo(amax / 448f);
  }

  @Test
  void theFactorIsADivisionNotAProduct() {
    float amax = 1.078125f;
    float value = 0x1.9ep-2f;
    assertThat(Fp8E4m3.fromFloat(value * (448f * (1f / amax)))).isEqualTo((byte) 115);
    assertThat(single(amax, value).codes[1]).isEqualTo((byte) 114);
  }

  @Test
  void withoutRoundScaleTheValueIsMultipliedByTheFactorNotDividedByTheScale() {
    float amax = 1.53125f;
    float value = 0x1.5ep-5f;
    assertThat(Fp8E4m3.fromFloat(value / (amax / 448f))).isEqualTo((byte) 84);
    assertThat(single(amax, value).codes[1]).isEqualTo((byte) 85);
  }

  @Test
  void aPowerOfTwoScaleIsTheSmallestThatHoldsTheLargestValue() {
    assertThat(power(448f).scales[0]).isEqualTo(1f);
    assertThat(power(448f).codes[0]).isEqualTo((byte) 0x7e);
    assertThat(power(450f).scales[0]).isEqualTo(2f);
    assertThat(power(1f).scales[0]).isEqualTo(0x1p-8f);
    assertThat(power(1f).back[0]).isEqualTo(1f);
  }

  @ParameterizedTest
  @EnumSource(Fp8Scale.class)
  void aGroupOfZerosKeepsTheSmallestScaleAndItsSigns(Fp8Scale rule) {
    float[] values = new float[GROUP];
    values[7] = -0f;
    Quantised got = Quantised.of(values, rule);
    float scale = 1e-4f / 448f;
    assertThat(got.scales[0])
        .isEqualTo(rule == Fp8Scale.AMAX ? scale : powerAtOrAbove(scale))
        .isPositive();
    assertThat(got.codes[0]).isZero();
    assertThat(got.codes[7]).isEqualTo((byte) 0x80);
    assertThat(got.back).isEqualTo(values);
  }

  @Test
  void valuesBelowTheSmallestAmaxUseItsScale() {
    Quantised got = single(1e-5f);
    assertThat(got.scales[0]).isEqualTo(1e-4f / 448f);
    assertThat(got.back[0]).isEqualTo(1e-5f, within(1e-6f));
  }

  @ParameterizedTest
  @EnumSource(Fp8Scale.class)
  void nanIsKeptAndDoesNotSpoilItsGroup(Fp8Scale rule) {
    float[] values = new float[GROUP];
    values[0] = Float.NaN;
    values[1] = 2f;
    values[2] = Float.intBitsToFloat(0xffc00000);
    Quantised got = Quantised.of(values, rule);
    values[0] = 0f;
    values[2] = 0f;
    Quantised without = Quantised.of(values, rule);
    assertThat(got.scales).isEqualTo(without.scales);
    assertThat(got.codes[0]).isEqualTo((byte) 0x7f);
    assertThat(got.codes[2]).isEqualTo((byte) 0xff);
    assertThat(got.back[0]).isNaN();
    assertThat(got.back[1]).isEqualTo(2f);
  }

  @ParameterizedTest
  @EnumSource(Fp8Scale.class)
  void anInfinityMakesItsGroupNanAndNoOther(Fp8Scale rule) {
    float[] values = new float[2 * GROUP];
    Arrays.fill(values, 1f);
    values[GROUP + 5] = Float.NEGATIVE_INFINITY;
    Quantised got = Quantised.of(values, rule);
    for (int i = 0; i < GROUP; i++) {
      assertThat(got.back[i]).isEqualTo(1f);
      assertThat(got.back[GROUP + i]).isNaN();
    }
    assertThat(got.scales[1]).isEqualTo(Float.POSITIVE_INFINITY);
  }

  @Test
  void theLargestNumbersStayFiniteUnlessTheyRoundUp() {
    float largest = 0x1.fep127f;
    Quantised got = single(largest, -largest);
    assertThat(got.back[0]).isEqualTo(largest, within(largest / 16));
    assertThat(got.back[1]).isEqualTo(-got.back[0]);
    assertThat(power(largest).back[0]).isEqualTo(Float.POSITIVE_INFINITY);
    assertThat(power(0x1.dep127f).back[0]).isEqualTo(0x1.ep127f);
  }

  @Test
  void groupsDoNotDependOnEachOther() {
    float[] values = noise(7, 3 * GROUP, 1f);
    Quantised whole = Quantised.of(values, Fp8Scale.AMAX);
    for (int g = 0; g < 3; g++) {
      float[] part = Arrays.copyOfRange(values, g * GROUP, (g + 1) * GROUP);
      Quantised alone = Quantised.of(part, Fp8Scale.AMAX);
      assertThat(whole.scales[g]).isEqualTo(alone.scales[0]);
      assertThat(Arrays.copyOfRange(whole.codes, g * GROUP, (g + 1) * GROUP))
          .isEqualTo(alone.codes);
    }
  }

  private static Quantised single(float... first) {
    return Quantised.of(Arrays.copyOf(first, GROUP), Fp8Scale.AMAX);
  }

  private static Quantised power(float first) {
    return Quantised.of(Arrays.copyOf(new float[] {first}, GROUP), Fp8Scale.POWER_OF_TWO);
  }

  private static float powerAtOrAbove(float value) {
    float power = Math.scalb(1f, Math.getExponent(value));
    return power == value ? power : power * 2;
  }

  private static float[] noise(long seed, int count, float range) {
    SplittableRandom random = new SplittableRandom(seed);
    float[] values = new float[count];
    for (int i = 0; i < count; i++) {
      values[i] = (float) random.nextDouble(-range, range);
    }
    return values;
  }

  private static float[] normal(long seed, int count) {
    SplittableRandom random = new SplittableRandom(seed);
    float[] values = new float[count];
    for (int i = 0; i < count; i++) {
      values[i] = (float) random.nextGaussian();
    }
    return values;
  }
}
