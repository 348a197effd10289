package io.crossdock.core.routing;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import io.crossdock.core.InvalidInputException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class CalcDiffTest {
  @Test
  void equalTensorsAreNotApart() {
    assertThat(CalcDiff.of(new float[] {0, 1, -3, 1e30f}, new float[] {0, 1, -3, 1e30f})).isZero();
    assertThat(CalcDiff.of(new float[0], new float[0])).isZero();
    assertThat(CalcDiff.of(new float[] {-1}, new float[] {-1})).isZero();
  }

  /// 1 - 2 * (2 * 4 + 1 * 5) / (4 + 16 + 1 + 25) = 1 - 26 / 46.
  @Test
  void theDistanceIsComputedWithOneAdded() {
    double got = CalcDiff.of(new float[] {1, 0}, new float[] {3, 4});
    assertThat(got).isCloseTo(1 - 26.0 / 46, within(1e-15));
  }

  @Test
  void oppositeTensorsAreTwoApart() {
    assertThat(CalcDiff.of(new float[] {1}, new float[] {-3})).isEqualTo(2);
  }

  @Test
  void aDifferenceInTheLastBitOfFloat32IsSeen() {
    double got = CalcDiff.of(new float[] {1}, new float[] {Math.nextUp(1f)});
    assertThat(got).isPositive().isLessThan(1e-13);
  }

  @ParameterizedTest
  @ValueSource(floats = {Float.NaN, Float.POSITIVE_INFINITY, Float.NEGATIVE_INFINITY})
  void whatIsNotFinitePassesNoGate(float bad) {
    assertThat(CalcDiff.of(new float[] {1, bad}, new float[] {1, bad})).isNaN();
    assertThat(CalcDiff.of(new float[] {1, bad}, new float[] {1, 2})).isNaN();
  }

  @Test
  void differentSizesAreRefused() {
    assertThatThrownBy(() -> CalcDiff.of(new float[2], new float[3]))
        .isInstanceOf(InvalidInputException.class)
        .hasMessageContaining("elements=2, otherElements=3");
  }
}
