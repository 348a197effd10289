package io.crossdock.core.routing;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.crossdock.core.InvalidInputException;
import java.util.Arrays;
import java.util.HashSet;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class RoutingSamplerTest {
  private static final int EXPERTS = 32;
  private static final int TOPK = 4;
  private static final int TOKENS = 2000;

  @Test
  void theSameSeedAndRankGiveTheSameChoices() {
    GatingResult first = uniform(5).sample(3, 100);
    GatingResult again = uniform(5).sample(3, 100);
    assertThat(again.topkIdx()).isEqualTo(first.topkIdx());
    assertThat(again.topkWeights()).isEqualTo(first.topkWeights());
    assertThat(uniform(5).sample(4, 100).topkIdx()).isNotEqualTo(first.topkIdx());
    assertThat(uniform(6).sample(3, 100).topkIdx()).isNotEqualTo(first.topkIdx());
  }

  @Test
  void theFirstTokensDoNotDependOnHowManyFollow() {
    RoutingSampler sampler = uniform(5).withSkew(new Skew(1)).withGroups(4);
    long[] many = sampler.sample(1, 50).topkIdx();
    assertThat(sampler.sample(1, 7).topkIdx()).isEqualTo(Arrays.copyOf(many, 7 * TOPK));
    assertThat(sampler.sample(1, 0).topkIdx()).isEmpty();
  }

  @ParameterizedTest
  @ValueSource(doubles = {0, 1, 10})
  void aTokenNeverRepeatsAnExpertAndItsWeightsSumToOne(double exponent) {
    GatingResult got = uniform(7).withSkew(new Skew(exponent)).sample(0, TOKENS);
    for (int token = 0; token < TOKENS; token++) {
      Set<Long> seen = new HashSet<>();
      float sum = 0;
      for (int at = token * TOPK; at < (token + 1) * TOPK; at++) {
        assertThat(got.topkIdx()[at]).isBetween(0L, EXPERTS - 1L);
        assertThat(seen.add(got.topkIdx()[at])).isTrue();
        assertThat(got.topkWeights()[at]).isPositive();
        sum += got.topkWeights()[at];
      }
      assertThat(sum).isBetween(0.9999f, 1.0001f);
    }
  }

  @ParameterizedTest
  @CsvSource({"8, 4", "4, 2", "2, 1", "1, 1"})
  void aTokenUsesAtMostHalfOfTheGroups(int numGroups, int allowed) {
    long[] ids = uniform(7).withGroups(numGroups).sample(0, TOKENS).topkIdx();
    int most = 0;
    for (int token = 0; token < TOKENS; token++) {
      Set<Long> groups = new HashSet<>();
      for (int at = token * TOPK; at < (token + 1) * TOPK; at++) {
        groups.add(ids[at] / (EXPERTS / numGroups));
      }
      most = Math.max(most, groups.size());
    }
    assertThat(most).isEqualTo(allowed);
  }

  /// The expected share is K / E; ten standard deviations of it are allowed.
  @Test
  void withoutSkewAllExpertsAreAlike() {
    double share = (double) TOPK / EXPERTS;
    double spread = 10 * Math.sqrt(TOKENS * share * (1 - share));
    for (int count : counts(uniform(7).sample(0, TOKENS))) {
      assertThat((double) count).isBetween(TOKENS * share - spread, TOKENS * share + spread);
    }
  }

  @Test
  void skewMakesFewExpertsPopularTheSameOnEveryRank() {
    int[] mild = counts(uniform(7).withSkew(new Skew(1)).sample(0, TOKENS));
    int[] strong = counts(uniform(7).withSkew(new Skew(3)).sample(0, TOKENS));
    int[] elsewhere = counts(uniform(7).withSkew(new Skew(3)).sample(1, TOKENS));
    assertThat(largest(counts(uniform(7).sample(0, TOKENS)))).isLessThan(TOKENS / 4);
    assertThat(largest(mild)).isBetween(TOKENS / 2, TOKENS * 9 / 10);
    assertThat(largest(strong)).isGreaterThan(TOKENS * 9 / 10);
    assertThat(indexOfLargest(elsewhere)).isEqualTo(indexOfLargest(strong));
  }

  /// With K = 1 the n-th most popular of three experts is drawn in proportion to 1 / n.
  @Test
  void popularityFollowsThePowerLaw() {
    int tokens = 20_000;
    RoutingSampler sampler = RoutingSampler.uniform(3, 3, 1).withSkew(new Skew(1));
    int[] counts = new int[3];
    for (long id : sampler.sample(0, tokens).topkIdx()) {
      counts[(int) id]++;
    }
    Arrays.sort(counts);
    double total = 1 + 1 / 2.0 + 1 / 3.0;
    assertThat(counts[2] / (double) tokens).isBetween(1 / total - .02, 1 / total + .02);
    assertThat(counts[1] / (double) tokens).isBetween(.5 / total - .02, .5 / total + .02);
  }

  @Test
  void sizesThatDoNotFitAreRefusedBeforeAnythingIsSampled() {
    assertThatThrownBy(() -> RoutingSampler.uniform(1, 4, 5))
        .isInstanceOf(InvalidInputException.class)
        .hasMessageContaining("numExperts=4, topk=5");
    assertThatThrownBy(() -> uniform(1).withGroups(5))
        .isInstanceOf(InvalidInputException.class)
        .hasMessageContaining("numGroups=5");
    assertThatThrownBy(() -> RoutingSampler.uniform(1, 8, 5).withGroups(4))
        .isInstanceOf(InvalidInputException.class)
        .hasMessageContaining("topkGroups=2");
  }

  @Test
  void skewIsReadFromTheCommandLinesForm() {
    assertThat(Skew.parse("uniform")).isEqualTo(Skew.UNIFORM);
    assertThat(Skew.parse("zipf:0")).isEqualTo(Skew.UNIFORM);
    assertThat(Skew.parse("zipf:1.25").exponent()).isEqualTo(1.25);
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "zipf", "zipf:", "zipf:x", "Zipf:1", "uniform:1", "normal"})
  void otherFormsAreRefused(String text) {
    assertThatThrownBy(() -> Skew.parse(text))
        .isInstanceOf(InvalidInputException.class)
        .hasMessageContaining("skew=" + text)
        .hasMessageContaining("zipf:S");
  }

  @ParameterizedTest
  @ValueSource(strings = {"zipf:-0.1", "zipf:10.1", "zipf:NaN", "zipf:Infinity"})
  void exponentsOutOfRangeAreRefused(String text) {
    assertThatThrownBy(() -> Skew.parse(text))
        .isInstanceOf(InvalidInputException.class)
        .hasMessageContaining("expected=0 to 10");
  }

  private static RoutingSampler uniform(long seed) {
    return RoutingSampler.uniform(seed, EXPERTS, TOPK);
  }

  private static int[] counts(GatingResult routing) {
    int[] counts = new int[EXPERTS];
    for (long id : routing.topkIdx()) {
      counts[(int) id]++;
    }
    return counts;
  }

  private static int largest(int[] counts) {
    return Arrays.stream(counts).max().orElseThrow();
  }

  private static int indexOfLargest(int[] counts) {
    for (int i = 0; i < counts.length; i++) {
      if (counts[i] == largest(counts)) {
        return i;
      }
    }
    throw new AssertionError("no largest count");
  }
}
