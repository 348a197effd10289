package io.crossdock.core.routing;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import io.crossdock.core.InvalidInputException;
import org.assertj.core.data.Offset;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class GatingTest {
  private static final Offset<Float> CLOSE = within(1e-6f);

  @Test
  void softmaxWeightsAreNormalisedOverThePicks() {
    float[] scores = {ln(1), ln(4), ln(2), ln(3)};
    GatingResult got = Gating.softmaxTopk(scores, 4, 2);
    assertThat(got.topkIdx()).containsExactly(1, 3);
    assertThat(got.topkWeights()).containsExactly(new float[] {4 / 7f, 3 / 7f}, CLOSE);
  }

  @Test
  void tokensDoNotDependOnEachOther() {
    float[] scores = {0, 1, 2, 2, 1, 0, 5, 9, 7};
    GatingResult got = Gating.softmaxTopk(scores, 3, 1);
    assertThat(got.topk()).isEqualTo(1);
    assertThat(got.topkIdx()).containsExactly(2, 0, 1);
    assertThat(got.topkWeights()).containsExactly(1f, 1f, 1f);
  }

  @Test
  void amongEqualScoresTheLowerIndexWins() {
    float[] equal = new float[6];
    assertThat(Gating.softmaxTopk(equal, 6, 3).topkIdx()).containsExactly(0, 1, 2);
    GatingResult limited = Gating.groupLimited(equal, equal, new GroupLimit(3, 2), 3, 1f);
    assertThat(limited.topkIdx()).containsExactly(0, 1, 2);
    assertThat(limited.topkWeights()).containsExactly(new float[] {1 / 3f, 1 / 3f, 1 / 3f}, CLOSE);
  }

  @Test
  void largeScoresDoNotOverflow() {
    GatingResult got = Gating.softmaxTopk(new float[] {1e30f, 1e30f, -1e30f}, 3, 3);
    assertThat(got.topkIdx()).containsExactly(0, 1, 2);
    assertThat(got.topkWeights()).containsExactly(new float[] {0.5f, 0.5f, 0f}, CLOSE);
  }

  @Test
  void aMaskedExpertIsPickedLastAndWeighsNothing() {
    float masked = Float.NEGATIVE_INFINITY;
    GatingResult got = Gating.softmaxTopk(new float[] {masked, 1, masked, 1}, 4, 3);
    assertThat(got.topkIdx()).containsExactly(1, 3, 0);
    assertThat(got.topkWeights()).containsExactly(0.5f, 0.5f, 0f);
    GatingResult none = Gating.softmaxTopk(new float[] {masked, masked}, 2, 1);
    assertThat(none.topkWeights()).containsExactly(0f);
    GatingResult limited =
        Gating.groupLimited(
            new float[] {masked, 0, masked, masked}, new float[4], new GroupLimit(2, 1), 2, 1f);
    assertThat(limited.topkIdx()).containsExactly(1, 0);
    assertThat(limited.topkWeights()).containsExactly(1f, 0f);
  }

  /// Sigmoid scores .8 .2 | .6 .5 | .7 .1: sums of the two best 1.0, 1.1, 0.8.
  @Test
  void aGroupIsWorthItsTwoBestExperts() {
    float[] scores = {logit(.8), logit(.2), logit(.6), logit(.5), logit(.7), logit(.1)};
    GatingResult one = Gating.groupLimited(scores, new float[6], new GroupLimit(3, 1), 2, 1f);
    assertThat(one.topkIdx()).containsExactly(2, 3);
    assertThat(one.topkWeights()).containsExactly(new float[] {.6f / 1.1f, .5f / 1.1f}, CLOSE);
    GatingResult two = Gating.groupLimited(scores, new float[6], new GroupLimit(3, 2), 2, 2.5f);
    assertThat(two.topkIdx()).containsExactly(0, 2);
    assertThat(two.topkWeights())
        .containsExactly(new float[] {2.5f * .8f / 1.4f, 2.5f * .6f / 1.4f}, CLOSE);
  }

  @Test
  void biasMovesTheSelectionButNotTheWeights() {
    float[] scores = {logit(.8), logit(.2), logit(.6), logit(.5)};
    float[] bias = {0f, .7f, 0f, 0f};
    GatingResult got = Gating.groupLimited(scores, bias, new GroupLimit(2, 1), 2, 1f);
    assertThat(got.topkIdx()).containsExactly(1, 0);
    assertThat(got.topkWeights()).containsExactly(new float[] {.2f, .8f}, CLOSE);
  }

  @Test
  void anExpertOfADroppedGroupIsNotPickedHoweverNegativeTheBiasOfTheKept() {
    float[] scores = {0, 0, 0, 0};
    float[] bias = {-50f, -50f, -1e30f, -60f};
    GatingResult got = Gating.groupLimited(scores, bias, new GroupLimit(2, 1), 2, 1f);
    assertThat(got.topkIdx()).containsExactly(0, 1);
    bias = new float[] {-1e30f, -60f, -50f, -50f};
    got = Gating.groupLimited(scores, bias, new GroupLimit(2, 1), 2, 1f);
    assertThat(got.topkIdx()).containsExactly(2, 3);
  }

  @Test
  void groupsOfOneExpertAreWorthThatExpert() {
    float[] scores = {0, 3, 1, 2};
    GatingResult got = Gating.groupLimited(scores, new float[4], new GroupLimit(4, 2), 2, 1f);
    assertThat(got.topkIdx()).containsExactly(1, 3);
  }

  @Test
  void noTokensGiveNoPicks() {
    GatingResult got = Gating.softmaxTopk(new float[0], 8, 4);
    assertThat(got.topkIdx()).isEmpty();
    assertThat(got.topkWeights()).isEmpty();
  }

  @ParameterizedTest
  @ValueSource(floats = {Float.NaN, Float.POSITIVE_INFINITY})
  void aScoreThatIsNoNumberIsRefused(float bad) {
    float[] scores = {0, 0, 0, 0, 0, bad};
    assertThatThrownBy(() -> Gating.softmaxTopk(scores, 3, 1))
        .isInstanceOf(InvalidInputException.class)
        .hasMessageContaining("token=1, expert=2");
    GroupLimit all = new GroupLimit(1, 1);
    assertThatThrownBy(() -> Gating.groupLimited(scores, new float[3], all, 1, 1f))
        .isInstanceOf(InvalidInputException.class)
        .hasMessageContaining("token=1, expert=2");
  }

  @ParameterizedTest
  @ValueSource(floats = {Float.NaN, Float.POSITIVE_INFINITY, Float.NEGATIVE_INFINITY})
  void aBiasThatIsNotFiniteIsRefused(float bad) {
    GroupLimit all = new GroupLimit(1, 1);
    float[] bias = {0, bad};
    assertThatThrownBy(() -> Gating.groupLimited(new float[2], bias, all, 1, 1f))
        .isInstanceOf(InvalidInputException.class)
        .hasMessageContaining("expert=1");
  }

  @ParameterizedTest
  @CsvSource({
    "8, 2, 1, 0", // no choice
    "8, 2, 1, 5", // more choices than the kept groups have experts
    "8, 3, 1, 1", // groups of unequal size
    "64, 1, 1, 33", // more choices than a row may have
    "0, 1, 1, 1", // no expert
  })
  void sizesThatDoNotFitAreRefused(int numExperts, int numGroups, int topkGroups, int topk) {
    GroupLimit groups = new GroupLimit(numGroups, topkGroups);
    float[] bias = new float[numExperts];
    assertThatThrownBy(() -> Gating.groupLimited(new float[0], bias, groups, topk, 1f))
        .isInstanceOf(InvalidInputException.class)
        .hasMessageContaining("numExperts=" + numExperts + ", topk=" + topk);
  }

  @Test
  void scoresThatAreNoMatrixAreRefused() {
    assertThatThrownBy(() -> Gating.softmaxTopk(new float[7], 3, 1))
        .isInstanceOf(InvalidInputException.class)
        .hasMessageContaining("length=7, numExperts=3");
  }

  @ParameterizedTest
  @CsvSource({"0, 1", "1, 0", "2, 3", "-1, -1"})
  void groupLimitsOutOfRangeAreRefused(int numGroups, int topkGroups) {
    assertThatThrownBy(() -> new GroupLimit(numGroups, topkGroups))
        .isInstanceOf(InvalidInputException.class)
        .hasMessageContaining("numGroups=" + numGroups + ", topkGroups=" + topkGroups);
  }

  private static float ln(double value) {
    return (float) Math.log(value);
  }

  private static float logit(double probability) {
    return (float) Math.log(probability / (1 - probability));
  }
}
