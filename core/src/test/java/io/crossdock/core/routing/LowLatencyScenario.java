package io.crossdock.core.routing;

import static java.lang.foreign.ValueLayout.JAVA_SHORT_UNALIGNED;

import io.crossdock.core.LowLatencyFormat;
import io.crossdock.core.format.Bf16;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.SplittableRandom;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Combinators;

/// Ranks with ragged numbers of tokens, some of them masked, at least one not.
///
/// @param spec ranks, experts, format and masks
/// @param hidden H
/// @param topk K
/// @param tokens by rank
/// @param seed of choices, rows and weights
record LowLatencyScenario(
    LowLatencySpec spec, int hidden, int topk, List<Integer> tokens, long seed) {
  private static final int MAX_TOKENS = 6;

  static Arbitrary<LowLatencyScenario> all() {
    Arbitrary<LowLatencySpec> specs =
        Combinators.combine(
                Arbitraries.integers().between(1, 5),
                Arbitraries.of(1, 2, 3, 7, 40),
                Arbitraries.of(LowLatencyFormat.class),
                Arbitraries.integers().between(0, 4).set().ofMaxSize(2))
            .as((numRanks, local, format, absent) -> {
              Set<Integer> masked = new HashSet<>(absent);
              masked.removeIf(rank -> rank >= numRanks);
              masked.removeIf(rank -> masked.size() == numRanks);
              Topology topology = Topology.oneNode(numRanks, numRanks * local);
              return LowLatencySpec.of(topology, MAX_TOKENS, format).withAbsent(masked);
            });
    return specs.flatMap(LowLatencyScenario::of);
  }

  private static Arbitrary<LowLatencyScenario> of(LowLatencySpec spec) {
    Arbitrary<Integer> widths =
        spec.format().isFp8() ? Arbitraries.of(128, 640) : Arbitraries.of(8, 24, 128);
    return Combinators.combine(
            widths,
            Arbitraries.integers().between(1, Math.min(32, spec.topology().numExperts())),
            Arbitraries.integers().between(0, MAX_TOKENS).list().ofSize(ranks(spec)),
            Arbitraries.longs())
        .as((hidden, topk, tokens, seed) ->
            new LowLatencyScenario(spec, hidden, topk, tokens, seed));
  }

  private static int ranks(LowLatencySpec spec) {
    return spec.topology().numRanks();
  }

  int numRanks() {
    return ranks(spec);
  }

  List<Integer> living() {
    List<Integer> ranks = new ArrayList<>();
    for (int rank = 0; rank < numRanks(); rank++) {
      if (!spec.absent().contains(rank)) {
        ranks.add(rank);
      }
    }
    return ranks;
  }

  List<RankInput> inputs() {
    List<RankInput> inputs = new ArrayList<>();
    for (int rank = 0; rank < numRanks(); rank++) {
      inputs.add(input(new SplittableRandom(seed * 31 + rank), tokens.get(rank)));
    }
    return inputs;
  }

  private RankInput input(SplittableRandom random, int count) {
    MemorySegment rows = MemorySegment.ofArray(new byte[count * hidden * 2]);
    for (int i = 0; i < count * hidden; i++) {
      rows.set(JAVA_SHORT_UNALIGNED, i * 2L, Bf16.fromFloat((float) random.nextDouble(-8, 8)));
    }
    float[] weights = new float[count * topk];
    long[] ids = new long[count * topk];
    for (int token = 0; token < count; token++) {
      Set<Long> taken = new HashSet<>();
      for (int at = token * topk; at < (token + 1) * topk; at++) {
        weights[at] = random.nextInt(1, 4);
        long expert = random.nextLong(spec.topology().numExperts());
        ids[at] = taken.add(expert) ? expert : -1;
      }
    }
    return RankInput.of(count, hidden * 2L, rows).withTopk(topk, ids, weights);
  }
}
