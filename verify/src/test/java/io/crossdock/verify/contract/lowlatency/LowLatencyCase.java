package io.crossdock.verify.contract.lowlatency;

import io.crossdock.core.BufferSpec;
import io.crossdock.core.BufferSpecBuilder;
import io.crossdock.core.CombineConfig;
import io.crossdock.core.CombineFormat;
import io.crossdock.core.DispatchConfig;
import io.crossdock.core.LowLatencyCompletion;
import io.crossdock.core.LowLatencyFormat;
import io.crossdock.core.Mode;
import io.crossdock.verify.harness.EngineUnderTest;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;

/// One case of the contract suite of low-latency mode. Everything follows from it, so its text is
/// all that is needed to run it again, on any rank.
///
/// Safe for any thread.
///
/// @param seed of all data
/// @param sizes of tensors
/// @param routing where tokens go
/// @param values of the rows
/// @param dispatch options of the dispatch
/// @param combine options of the combine
/// @param style of the tensors
record LowLatencyCase(
    long seed,
    Sizes sizes,
    Routing routing,
    Values values,
    DispatchChoice dispatch,
    CombineChoice combine,
    Style style) {

  private static final int[] TOKENS = {0, 0, 1, 13, 127, 128, 129};
  private static final int[] HIDDENS = {8, 16, 40, 128, 256, 384, 1032, 2048, 2944};
  private static final int[] LOCAL_EXPERTS = {1, 1, 2, 3, 4, 8, 9, 64, 257, 1024};

  /// A rank's result, and its lanes, are at most of this size.
  private static final long MAX_BYTES = 8 << 20;

  /// Rows of the windows of normal mode, which these cases do not use.
  private static final int NORMAL_ROWS = 16;

  /// Sizes of a case.
  ///
  /// Safe for any thread.
  ///
  /// @param tokens of each rank
  /// @param maxTokens that the dispatch is told
  /// @param spareTokens by which the buffer is larger
  /// @param hidden H
  /// @param experts E
  /// @param topk K
  record Sizes(
      List<Integer> tokens, int maxTokens, int spareTokens, int hidden, int experts, int topk) {
    int numRanks() {
      return tokens.size();
    }

    int localExperts() {
      return experts / numRanks();
    }

    /// Rows that an expert may receive.
    int rowsPerExpert() {
      return maxTokens * numRanks();
    }
  }

  /// Where tokens go.
  enum Routing {
    UNIFORM,
    SOME_MASKED,
    ALL_TO_ONE_EXPERT,
    ALL_TO_ONE_RANK,
    NONE
  }

  /// What rows hold.
  enum Values {
    /// Normal numbers, small enough for LogFMT: sums are compared with exact ones too.
    NORMAL,
    /// Both signs, large values that cancel, zeros, denormals, infinities, NaN.
    EDGES
  }

  /// Options of a dispatch.
  ///
  /// Safe for any thread.
  ///
  /// @param format of rows
  /// @param completion when it returns
  /// @param recvStats counts are accumulated
  /// @param waitStats waits are told
  /// @param afterEvent rows are complete only when an event is
  /// @param workers threads, 0 for the engine's choice
  record DispatchChoice(
      LowLatencyFormat format,
      LowLatencyCompletion completion,
      boolean recvStats,
      boolean waitStats,
      boolean afterEvent,
      int workers) {
    DispatchConfig config() {
      return new DispatchConfig(workers, 2, 16);
    }
  }

  /// Options of a combine.
  ///
  /// Safe for any thread.
  ///
  /// @param format of rows
  /// @param completion when it returns
  /// @param place of the expert outputs
  /// @param out sums go where the caller says
  /// @param waitStats waits are told
  /// @param afterEvent expert outputs are complete only when an event is
  /// @param otherOrder a token's choices come in another order, and some are left out
  /// @param experts what they do
  record CombineChoice(
      CombineFormat format,
      LowLatencyCompletion completion,
      Place place,
      boolean out,
      boolean waitStats,
      boolean afterEvent,
      boolean otherOrder,
      Experts experts) {
    CombineConfig config(int workers) {
      return new CombineConfig(workers, 2, 16);
    }
  }

  /// Where expert outputs lie.
  enum Place {
    TENSOR,
    /// In a tensor, and the result of the dispatch is closed before.
    TENSOR_AFTER_CLOSE,
    COMBINE_BUFFER
  }

  /// What experts do with a row.
  enum Experts {
    /// Round it to BF16.
    IDENTITY,
    /// Scale it by a factor of their own, then round it.
    SCALED
  }

  /// Style of tensors.
  ///
  /// Safe for any thread.
  ///
  /// @param wideIds I64 rather than I32
  /// @param strided rows lie apart
  record Style(boolean wideIds, boolean strided) {}

  /// Draws a case.
  ///
  /// @param seed of the case and its data
  /// @param numRanks R
  static LowLatencyCase random(long seed, int numRanks) {
    SplittableRandom random = new SplittableRandom(seed);
    Sizes sizes = sizes(random, numRanks);
    return random(seed, sizes);
  }

  /// Draws everything but the sizes; H becomes the multiple of 128 next to it if rows are FP8.
  ///
  /// @param seed of the case and its data
  /// @param wanted sizes
  static LowLatencyCase random(long seed, Sizes wanted) {
    SplittableRandom random = new SplittableRandom(~seed);
    DispatchChoice dispatch =
        new DispatchChoice(
            pick(random, LowLatencyFormat.values()),
            pick(random, LowLatencyCompletion.values()),
            random.nextBoolean(),
            random.nextBoolean(),
            random.nextInt(4) == 0,
            random.nextInt(4));
    CombineFormat format = random.nextInt(3) == 0 ? CombineFormat.LOGFMT10 : CombineFormat.BF16;
    Place place = pick(random, Place.values());
    boolean encoded = format == CombineFormat.LOGFMT10;
    CombineChoice combine =
        new CombineChoice(
            format,
            pick(random, LowLatencyCompletion.values()),
            encoded && place == Place.COMBINE_BUFFER ? Place.TENSOR : place,
            random.nextBoolean(),
            random.nextBoolean(),
            random.nextInt(4) == 0,
            random.nextInt(3) == 0,
            pick(random, Experts.values()));
    return new LowLatencyCase(
        seed,
        dispatch.format.isFp8() ? grouped(wanted) : wanted,
        pick(random, Routing.values()),
        pick(random, Values.values()),
        dispatch,
        combine,
        new Style(random.nextBoolean(), random.nextInt(3) == 0));
  }

  private static Sizes grouped(Sizes sizes) {
    int hidden = Math.max(1, sizes.hidden / 128) * 128;
    return new Sizes(
        sizes.tokens, sizes.maxTokens, sizes.spareTokens, hidden, sizes.experts, sizes.topk);
  }

  /// Draws sizes; what would need too much memory is made smaller in one way or another.
  private static Sizes sizes(SplittableRandom random, int numRanks) {
    Integer[] tokens = new Integer[numRanks];
    Arrays.setAll(tokens, r -> pick(random, TOKENS));
    int local = pick(random, LOCAL_EXPERTS);
    int hidden = pick(random, HIDDENS);
    int wanted = random.nextInt(4) == 0 ? BufferSpec.MAX_TOPK : 1 + random.nextInt(8);
    while (bytes(numRanks, max(tokens), local, Math.max(128, hidden), wanted) > MAX_BYTES) {
      switch (random.nextInt(3)) {
        case 0 -> Arrays.setAll(tokens, r -> tokens[r] - tokens[r] / 2);
        case 1 -> local = local - local / 2;
        default -> hidden = Math.max(8, hidden / 16 * 8);
      }
    }
    int experts = numRanks * local;
    int maxTokens = max(tokens) + (random.nextBoolean() ? 0 : 3);
    int spare = random.nextInt(2) * 5;
    int topk = Math.min(wanted, experts);
    return new Sizes(List.of(tokens), maxTokens, spare, hidden, experts, topk);
  }

  private static long bytes(int numRanks, int tokens, int local, int hidden, int topk) {
    long rows = (long) tokens * numRanks;
    long result = rows * local * hidden * 2;
    long lanes = rows * Math.min(topk, local) * hidden * 8;
    return Math.max(result, lanes);
  }

  private static int max(Integer[] values) {
    return Arrays.stream(values).mapToInt(v -> v).max().orElse(0);
  }

  static int pick(SplittableRandom random, int[] values) {
    return values[random.nextInt(values.length)];
  }

  static <T> T pick(SplittableRandom random, T[] values) {
    return values[random.nextInt(values.length)];
  }

  /// {@return this case with other data}
  LowLatencyCase withSeed(long other) {
    return new LowLatencyCase(other, sizes, routing, values, dispatch, combine, style);
  }

  /// {@return this case with other completions}
  LowLatencyCase completing(LowLatencyCompletion when) {
    DispatchChoice d = dispatch;
    CombineChoice c = combine;
    return new LowLatencyCase(
        seed,
        sizes,
        routing,
        values,
        new DispatchChoice(d.format, when, d.recvStats, d.waitStats, d.afterEvent, d.workers),
        new CombineChoice(
            c.format, when, c.place, c.out, c.waitStats, c.afterEvent, c.otherOrder, c.experts),
        style);
  }

  int numRanks() {
    return sizes.numRanks();
  }

  /// {@return a buffer that fits, but for normal mode}
  BufferSpec spec() {
    return plainSpec().capacityRows(NORMAL_ROWS).build();
  }

  /// {@return a buffer that fits, in normal mode too}
  BufferSpecBuilder plainSpec() {
    return EngineUnderTest.bounded(
        BufferSpec.builder()
            .mode(Mode.LOW_LATENCY)
            .numMaxTokensPerRank(sizes.maxTokens + sizes.spareTokens)
            .hidden(sizes.hidden)
            .topk(sizes.topk)
            .numExperts(sizes.experts),
        Duration.ofSeconds(30));
  }
}
