package io.crossdock.verify.contract.lowlatency;

import static java.lang.foreign.ValueLayout.JAVA_SHORT_UNALIGNED;

import io.crossdock.core.format.Bf16;
import io.crossdock.verify.contract.lowlatency.LowLatencyCase.Sizes;
import io.crossdock.verify.contract.lowlatency.LowLatencyCase.Values;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.SplittableRandom;

/// The inputs of one rank of a case, made from the seed: any rank can make those of any other.
///
/// Safe for any thread: nothing changes after it was made.
final class LowLatencyData {
  private static final double SPREAD = 0.1;
  private static final double LARGEST = 0.45;

  /// Beside it a row of factor 1 loses bits.
  private static final float LARGE_FACTOR = 1 << 20;

  private final LowLatencyCase test;
  private final Sizes sizes;
  final int tokens;

  /// Choices of the dispatch, [tokens, K].
  final long[] ids;

  /// Choices of the combine, [tokens, K].
  final long[] combineIds;

  /// Weights of the combine's choices, [tokens, K].
  final float[] weights;

  /// BF16 rows without gaps, [tokens, H].
  final MemorySegment rows;

  LowLatencyData(LowLatencyCase test, int rank) {
    this.test = test;
    this.sizes = test.sizes();
    this.tokens = sizes.tokens().get(rank);
    SplittableRandom random = new SplittableRandom(test.seed() * 1_000_003 + rank * 101L);
    this.ids = choose(random.split());
    this.combineIds = test.combine().otherOrder() ? reorder(random.split()) : ids;
    this.weights = weights(random.split());
    this.rows = rows(random.split());
  }

  private long[] choose(SplittableRandom random) {
    int topk = sizes.topk();
    long[] chosen = new long[tokens * topk];
    int[] pool = new int[sizes.experts()];
    Arrays.setAll(pool, e -> e);
    for (int i = 0; i < chosen.length; i++) {
      int k = i % topk;
      int swap = k + random.nextInt(pool.length - k);
      int expert = pool[swap];
      pool[swap] = pool[k];
      pool[k] = expert;
      chosen[i] = keeps(expert, random) ? expert : -1;
    }
    if (test.routing() == LowLatencyCase.Routing.ALL_TO_ONE_EXPERT) {
      for (int token = 0; token < tokens; token++) {
        chosen[token * topk + random.nextInt(topk)] = sizes.experts() / 2;
      }
    }
    return chosen;
  }

  private boolean keeps(int expert, SplittableRandom random) {
    return switch (test.routing()) {
      case UNIFORM -> true;
      case SOME_MASKED -> random.nextInt(3) > 0;
      case ALL_TO_ONE_RANK -> expert / sizes.localExperts() == sizes.numRanks() - 1;
      case ALL_TO_ONE_EXPERT, NONE -> false;
    };
  }

  /// Shuffles the choices of each token and leaves a quarter out.
  private long[] reorder(SplittableRandom random) {
    int topk = sizes.topk();
    long[] other = ids.clone();
    for (int i = 0; i < other.length; i++) {
      int k = i % topk;
      int swap = i + random.nextInt(topk - k);
      long id = other[swap];
      other[swap] = other[i];
      other[i] = random.nextInt(4) == 0 ? -1 : id;
    }
    return other;
  }

  /// Edges: every other weight all but takes the one before back, so that the order of a sum, and
  /// where it is rounded, can be seen in the result.
  private float[] weights(SplittableRandom random) {
    boolean edges = test.values() == Values.EDGES;
    float[] values = new float[ids.length];
    for (int i = 0; i < values.length; i++) {
      boolean back = edges && i % sizes.topk() > 0 && random.nextBoolean();
      values[i] = back ? -Math.nextUp(values[i - 1]) : (float) random.nextDouble(edges ? -1 : 0, 1);
    }
    return values;
  }

  private MemorySegment rows(SplittableRandom random) {
    MemorySegment bytes = MemorySegment.ofArray(new byte[tokens * sizes.hidden() * 2]);
    for (long at = 0; at < bytes.byteSize(); at += 2) {
      bytes.set(JAVA_SHORT_UNALIGNED, at, value(random));
    }
    return bytes;
  }

  private short value(SplittableRandom random) {
    if (test.values() == Values.NORMAL) {
      double value = random.nextGaussian() * SPREAD;
      return Bf16.fromFloat((float) Math.clamp(value, -LARGEST, LARGEST));
    }
    int draw = random.nextInt(10_000);
    int sign = random.nextInt(2) << 15;
    return (short)
        switch (draw) {
          case 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 -> sign;
          case 10, 11, 12, 13 -> sign | 1 + random.nextInt(0x7f);
          case 14 -> sign | 0x7f80;
          case 15 -> sign | 0x7fc0;
          default -> sign | (draw < 300 ? 0x4b80 : 0x3e00) + random.nextInt(0x200);
        };
  }

  /// {@return what an expert multiplies rows with}
  ///
  /// @param expert global id
  static float factor(LowLatencyCase test, long expert) {
    if (test.combine().experts() == LowLatencyCase.Experts.IDENTITY) {
      return 1;
    }
    if (test.values() == Values.EDGES) {
      return expert % 2 == 0 ? 1 : LARGE_FACTOR;
    }
    return 1 + (float) expert / test.sizes().experts();
  }
}
