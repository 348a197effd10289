package io.crossdock.core.routing;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Combinators;
import net.jqwik.api.EdgeCasesMode;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;

/// Gating against the same rules written down with sorted lists.
class GatingProperties {
  /// Router scores with many ties.
  record Scores(int numGroups, int perGroup, int topkGroups, int topk, long seed) {
    static final int TOKENS = 3;

    int numExperts() {
      return numGroups * perGroup;
    }

    float[] draw(int count, long salt) {
      SplittableRandom random = new SplittableRandom(seed + salt);
      float[] values = new float[count];
      for (int i = 0; i < count; i++) {
        values[i] = random.nextInt(-4, 5) / 2f;
      }
      return values;
    }
  }

  @Provide
  Arbitrary<Scores> scores() {
    return Combinators.combine(
            Arbitraries.integers().between(1, 8),
            Arbitraries.integers().between(1, 6),
            Arbitraries.longs())
        .flatAs((numGroups, perGroup, seed) ->
            Arbitraries.integers()
                .between(1, numGroups)
                .flatMap(kept ->
                    Arbitraries.integers()
                        .between(1, Math.min(32, kept * perGroup))
                        .map(topk -> new Scores(numGroups, perGroup, kept, topk, seed))));
  }

  @Property(edgeCases = EdgeCasesMode.NONE)
  void groupLimitedPicksWhatSortingPicks(@ForAll("scores") Scores in) {
    int numExperts = in.numExperts();
    float[] scores = in.draw(Scores.TOKENS * numExperts, 1);
    float[] bias = in.draw(numExperts, 2);
    GroupLimit limit = new GroupLimit(in.numGroups, in.topkGroups);
    GatingResult got = Gating.groupLimited(scores, bias, limit, in.topk, 2.5f);
    for (int token = 0; token < Scores.TOKENS; token++) {
      float[] sigmoid = new float[numExperts];
      float[] biased = new float[numExperts];
      for (int e = 0; e < numExperts; e++) {
        sigmoid[e] = (float) (1 / (1 + Math.exp(-scores[token * numExperts + e])));
        biased[e] = sigmoid[e] + bias[e];
      }
      List<Integer> groups = new ArrayList<>(IntStream.range(0, in.numGroups).boxed().toList());
      groups.sort(bestFirst(g -> twoBest(biased, g, in.perGroup)));
      List<Integer> kept = groups.subList(0, in.topkGroups);
      List<Integer> experts =
          IntStream.range(0, numExperts)
              .boxed()
              .filter(e -> kept.contains(e / in.perGroup))
              .sorted(bestFirst(e -> biased[e]))
              .limit(in.topk)
              .toList();
      check(got, token, experts, sigmoid, 2.5);
    }
  }

  @Property(edgeCases = EdgeCasesMode.NONE)
  void softmaxPicksWhatSortingPicks(@ForAll("scores") Scores in) {
    int numExperts = in.numExperts();
    float[] scores = in.draw(Scores.TOKENS * numExperts, 1);
    GatingResult got = Gating.softmaxTopk(scores, numExperts, in.topk);
    for (int token = 0; token < Scores.TOKENS; token++) {
      int first = token * numExperts;
      float[] exponentials = new float[numExperts];
      for (int e = 0; e < numExperts; e++) {
        exponentials[e] = (float) Math.exp(scores[first + e]);
      }
      List<Integer> experts =
          IntStream.range(0, numExperts)
              .boxed()
              .sorted(bestFirst(e -> scores[first + e]))
              .limit(in.topk)
              .toList();
      check(got, token, experts, exponentials, 1);
    }
  }

  private static void check(
      GatingResult got, int token, List<Integer> experts, float[] scores, double scaling) {
    double sum = experts.stream().mapToDouble(e -> scores[e]).sum();
    for (int k = 0; k < experts.size(); k++) {
      int at = token * experts.size() + k;
      assertThat(got.topkIdx()[at]).isEqualTo((long) experts.get(k));
      double weight = scores[experts.get(k)] / sum * scaling;
      assertThat((double) got.topkWeights()[at]).isCloseTo(weight, within(1e-5));
    }
  }

  private interface Score {
    float of(int index);
  }

  private static Comparator<Integer> bestFirst(Score score) {
    return Comparator.<Integer, Float>comparing(score::of)
        .reversed()
        .thenComparing(Comparator.naturalOrder());
  }

  private static float twoBest(float[] scores, int group, int perGroup) {
    List<Float> sorted = new ArrayList<>();
    for (int e = group * perGroup; e < (group + 1) * perGroup; e++) {
      sorted.add(scores[e]);
    }
    sorted.sort(Comparator.reverseOrder());
    return perGroup == 1 ? sorted.getFirst() : sorted.get(0) + sorted.get(1);
  }
}
