package io.crossdock.core.routing;

import java.util.Optional;
import java.util.SplittableRandom;

/// Makes up routings: each token picks K different experts at random, some experts more popular
/// than others if so wished, within a few groups if so wished. The same seed and rank give the same
/// choices.
///
/// Safe for any thread.
public final class RoutingSampler {
  private static final long RANK_STRIDE = 0x9E3779B97F4A7C15L;

  private final long seed;
  private final int numExperts;
  private final int topk;
  private final Skew skew;
  private final Optional<GroupLimit> groups;

  private RoutingSampler(
      long seed, int numExperts, int topk, Skew skew, Optional<GroupLimit> groups) {
    this.seed = seed;
    this.numExperts = numExperts;
    this.topk = topk;
    this.skew = skew;
    this.groups = groups;
  }

  /// Starts with experts that are all alike.
  ///
  /// @param seed of everything
  /// @param numExperts E
  /// @param topk K
  /// @return the sampler
  public static RoutingSampler uniform(long seed, int numExperts, int topk) {
    return checked(new RoutingSampler(seed, numExperts, topk, Skew.UNIFORM, Optional.empty()));
  }

  /// {@return this sampler with popular experts}
  ///
  /// @param popularity how uneven
  public RoutingSampler withSkew(Skew popularity) {
    return new RoutingSampler(seed, numExperts, topk, popularity, groups);
  }

  /// {@return this sampler with group-limited gating that keeps half of the groups, 4 of 8}
  ///
  /// @param numGroups groups; divides E
  public RoutingSampler withGroups(int numGroups) {
    GroupLimit half = new GroupLimit(numGroups, Math.max(1, numGroups / 2));
    return checked(new RoutingSampler(seed, numExperts, topk, skew, Optional.of(half)));
  }

  private static RoutingSampler checked(RoutingSampler sampler) {
    sampler.pick(new float[0]);
    return sampler;
  }

  /// Picks experts for the tokens of a rank.
  ///
  /// @param rank whose tokens
  /// @param numTokens how many
  /// @return choices and weights; the first tokens do not depend on how many follow
  public GatingResult sample(int rank, int numTokens) {
    double[] popularity = popularity();
    SplittableRandom random = new SplittableRandom(seed + RANK_STRIDE * (rank + 1));
    float[] scores = new float[Math.multiplyExact(numTokens, numExperts)];
    for (int i = 0; i < scores.length; i++) {
      scores[i] = (float) (popularity[i % numExperts] + gumbel(random));
    }
    return pick(scores);
  }

  private GatingResult pick(float[] scores) {
    return groups.isPresent()
        ? Gating.groupLimited(scores, new float[numExperts], groups.get(), topk, 1.0f)
        : Gating.softmaxTopk(scores, numExperts, topk);
  }

  /// {@return the logarithm of each expert's popularity; which expert is popular follows from the
  /// seed}
  private double[] popularity() {
    double[] logs = new double[numExperts];
    int[] order = new int[numExperts];
    SplittableRandom random = new SplittableRandom(seed);
    for (int i = 0; i < numExperts; i++) {
      int swap = random.nextInt(i + 1);
      order[i] = order[swap];
      order[swap] = i;
    }
    for (int place = 0; place < numExperts; place++) {
      logs[order[place]] = -skew.exponent() * Math.log(place + 1.0);
    }
    return logs;
  }

  /// With this noise added, the largest scores are a draw without replacement in proportion to
  /// popularity.
  private static double gumbel(SplittableRandom random) {
    return -Math.log(-Math.log(random.nextDouble(Double.MIN_NORMAL, 1.0)));
  }
}
