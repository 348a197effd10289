package io.crossdock.core.routing;

import static java.lang.foreign.ValueLayout.JAVA_SHORT_UNALIGNED;

import io.crossdock.core.format.Bf16;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Combinators;

/// Ranks with ragged numbers of tokens whose choices are different experts or none.
///
/// @param topology ranks and experts
/// @param topk K
/// @param maskPercent how many choices are no route
/// @param tokens by rank
/// @param seed of choices, rows and weights
record RoutingScenario(
    Topology topology, int topk, int maskPercent, List<Integer> tokens, long seed) {
  static final int HIDDEN = 4;
  static final int ROW_BYTES = HIDDEN * 2;
  static final int SCALE_BYTES = 4;

  static Arbitrary<RoutingScenario> all() {
    Arbitrary<Topology> topologies =
        Combinators.combine(
                Arbitraries.integers().between(1, 3),
                Arbitraries.integers().between(1, 4),
                Arbitraries.integers().between(1, 4))
            .as((nodes, local, experts) ->
                new Topology(nodes * local, local, nodes * local * experts));
    return topologies.flatMap(RoutingScenario::on);
  }

  private static Arbitrary<RoutingScenario> on(Topology topology) {
    return Combinators.combine(
            Arbitraries.integers().between(1, Math.min(6, topology.numExperts())),
            Arbitraries.of(0, 30, 100),
            Arbitraries.integers().between(0, 9).list().ofSize(topology.numRanks()),
            Arbitraries.longs())
        .as((topk, mask, tokens, seed) -> new RoutingScenario(topology, topk, mask, tokens, seed));
  }

  List<RankInput> inputs() {
    List<RankInput> inputs = new ArrayList<>();
    for (int rank = 0; rank < topology.numRanks(); rank++) {
      inputs.add(input(rank));
    }
    return inputs;
  }

  private RankInput input(int rank) {
    SplittableRandom random = new SplittableRandom(seed * 31 + rank);
    int count = tokens.get(rank);
    MemorySegment rows = MemorySegment.ofArray(new byte[count * ROW_BYTES]);
    for (int i = 0; i < count * HIDDEN; i++) {
      short value = Bf16.fromFloat((float) random.nextDouble(-8, 8));
      rows.set(JAVA_SHORT_UNALIGNED, i * 2L, value);
    }
    byte[] scales = new byte[count * SCALE_BYTES];
    random.nextBytes(scales);
    float[] weights = new float[count * topk];
    for (int i = 0; i < weights.length; i++) {
      weights[i] = (float) random.nextDouble(0.1, 1);
    }
    return RankInput.of(count, ROW_BYTES, rows)
        .withTopk(topk, choices(random, count), weights)
        .withScales(SCALE_BYTES, MemorySegment.ofArray(scales));
  }

  private long[] choices(SplittableRandom random, int count) {
    long[] ids = new long[count * topk];
    Arrays.fill(ids, -1);
    for (int token = 0; token < count; token++) {
      List<Long> free = new ArrayList<>();
      for (long expert = 0; expert < topology.numExperts(); expert++) {
        free.add(expert);
      }
      for (int k = 0; k < topk; k++) {
        long expert = free.remove(random.nextInt(free.size()));
        ids[token * topk + k] = random.nextInt(100) < maskPercent ? -1 : expert;
      }
    }
    return ids;
  }

  /// {@return whether one of a token's experts lives on a rank, from where the experts start}
  boolean wants(RankInput input, int token, int rank) {
    int perRank = topology.numExperts() / topology.numRanks();
    for (int k = 0; k < topk; k++) {
      long expert = input.topkIdx()[token * topk + k];
      if (expert >= (long) rank * perRank && expert < (rank + 1L) * perRank) {
        return true;
      }
    }
    return false;
  }
}
