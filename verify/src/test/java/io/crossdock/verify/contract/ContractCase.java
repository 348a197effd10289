package io.crossdock.verify.contract;

import io.crossdock.core.BufferSpec;
import io.crossdock.core.BufferSpecBuilder;
import io.crossdock.core.CombineConfig;
import io.crossdock.core.DType;
import io.crossdock.core.DispatchConfig;
import io.crossdock.verify.harness.EngineUnderTest;
import io.crossdock.verify.harness.NetworkChunks;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;

/// One case of the contract suite. Everything follows from it, so its text is all that is needed to
/// run it again, on any rank.
///
/// @param seed of all data
/// @param tokens of each rank
/// @param hidden H
/// @param experts E
/// @param topk K
/// @param rows type of the rows
/// @param routing where tokens go
/// @param flow how calls are made
/// @param options everything else
record ContractCase(
    long seed,
    List<Integer> tokens,
    int hidden,
    int experts,
    int topk,
    Rows rows,
    Routing routing,
    Flow flow,
    Options options) {

  private static final int[] TOKENS = {0, 1, 13, 127, 128, 129};
  private static final int[] HIDDENS = {8, 16, 40, 128, 256, 384, 1032, 2048};

  /// Multiprocessors of an H100, the GPU that the tests run on.
  private static final int GPU_SMS = 132;

  /// One case in so many has its tensors on the heap.
  private static final int ONE_ON_HEAP = 4;

  private static final int[] ALIGNMENTS = {1, 1, 4, 16, 128};

  /// Types of dispatched rows.
  enum Rows {
    BF16(DType.BF16, null),
    FP16(DType.FP16, null),
    F32(DType.F32, null),
    FP8_F32(DType.FP8_E4M3, DType.F32),
    FP8_UE8M0(DType.FP8_E4M3, DType.I32);

    final DType dtype;
    final DType scales;

    Rows(DType dtype, DType scales) {
      this.dtype = dtype;
      this.scales = scales;
    }
  }

  /// Where tokens go.
  enum Routing {
    UNIFORM,
    SOME_MASKED,
    ALL_MASKED,
    ALL_TO_ONE,
    ONE_RANK_GETS_NOTHING
  }

  /// How calls are made.
  enum Flow {
    SYNCHRONOUS,
    ASYNC,
    ALLOCATE_ON_COMM_STREAM,
    INTO
  }

  /// Everything else.
  ///
  /// @param owned rows are copied out
  /// @param zeroCopy expert outputs lie in the combine buffer
  /// @param cached a second dispatch goes along the handle
  /// @param choices false: a layout alone decides
  /// @param weights gate weights travel
  /// @param strided inputs are slices of wider tensors
  /// @param wideIds I64 rather than I32
  /// @param alignment expertAlignment
  /// @param worstTokens numWorstTokens, 0 for exact sizes
  /// @param bias 0, 1 or 2
  /// @param capacityRows of a window; 0 for the worst case
  /// @param workers threads
  /// @param stages of both configs
  /// @param chunkRows of both configs
  record Options(
      boolean owned,
      boolean zeroCopy,
      boolean cached,
      boolean choices,
      boolean weights,
      boolean strided,
      boolean wideIds,
      int alignment,
      int worstTokens,
      int bias,
      int capacityRows,
      int workers,
      int stages,
      int chunkRows) {}

  /// Draws a case.
  ///
  /// @param seed of the case and its data
  /// @param numRanks R
  static ContractCase random(long seed, int numRanks) {
    int hidden = pick(new SplittableRandom(~seed), HIDDENS);
    return random(seed, numRanks, hidden);
  }

  /// Draws a case whose rows have a given width, or the multiple of 128 next to it if they are FP8.
  ///
  /// @param seed of the case and its data
  /// @param numRanks R
  /// @param width wanted H
  static ContractCase random(long seed, int numRanks, int width) {
    SplittableRandom random = new SplittableRandom(seed);
    Rows rows = pick(random, Rows.values());
    int hidden = rows.scales == null ? width : Math.max(1, width / 128) * 128;
    int experts = numRanks * (1 + random.nextInt(8));
    int topk = 1 + random.nextInt(Math.min(BufferSpec.MAX_TOPK, experts));
    Integer[] tokens = new Integer[numRanks];
    Arrays.setAll(tokens, r -> pick(random, TOKENS));
    int worst = numRanks * Math.max(1, Arrays.stream(tokens).mapToInt(t -> t).max().orElse(1));
    Flow flow = pick(random, Flow.values());
    boolean inRounds = random.nextInt(4) == 0;
    boolean owned = inRounds || flow == Flow.INTO || random.nextBoolean();
    boolean choices = random.nextInt(6) > 0;
    Options options =
        new Options(
            owned,
            !inRounds && random.nextBoolean(),
            random.nextBoolean(),
            choices,
            choices && random.nextInt(5) > 0,
            random.nextInt(3) == 0,
            random.nextBoolean(),
            pick(random, ALIGNMENTS),
            random.nextInt(3) == 0 ? worst : 0,
            random.nextInt(3),
            inRounds ? 1 + random.nextInt(worst) : 0,
            random.nextInt(4),
            1 + random.nextInt(5),
            1 + random.nextInt(40));
    Routing routing = pick(random, Routing.values());
    return new ContractCase(
        seed, List.of(tokens), hidden, experts, topk, rows, routing, flow, options);
  }

  private static int pick(SplittableRandom random, int[] values) {
    return values[random.nextInt(values.length)];
  }

  private static <T> T pick(SplittableRandom random, T[] values) {
    return values[random.nextInt(values.length)];
  }

  /// {@return this case with other data}
  ContractCase withSeed(long other) {
    return new ContractCase(other, tokens, hidden, experts, topk, rows, routing, flow, options);
  }

  int numRanks() {
    return tokens.size();
  }

  /// {@return whether tensors of the caller lie on the heap, where the engine takes such}
  boolean isOnHeap() {
    return new SplittableRandom(seed * 8191).nextInt(ONE_ON_HEAP) == 0;
  }

  int maxTokens() {
    return tokens.stream().mapToInt(t -> t).max().orElse(0);
  }

  BufferSpec spec() {
    return EngineUnderTest.bounded(plainSpec(), Duration.ofSeconds(30)).build();
  }

  BufferSpecBuilder plainSpec() {
    return BufferSpec.builder()
        .numMaxTokensPerRank(maxTokens())
        .hidden(hidden)
        .topk(topk)
        .numExperts(experts)
        .dtype(rows.scales == null ? rows.dtype : DType.BF16)
        .capacityRows(options.capacityRows);
  }

  /// {@return the config of a rank's dispatch}
  ///
  /// @param rank the one
  /// @param call of that rank, counted from 0
  DispatchConfig dispatchConfig(int rank, int call) {
    int networkRows = NetworkChunks.rows(seed, rank, call);
    return new DispatchConfig(workers(), options.stages, options.chunkRows, networkRows);
  }

  /// {@return the config of a rank's combine}
  ///
  /// @param rank the one
  /// @param call of that rank, counted from 0
  CombineConfig combineConfig(int rank, int call) {
    int networkRows = NetworkChunks.rows(seed, rank, call);
    return new CombineConfig(workers(), options.stages, options.chunkRows, networkRows);
  }

  /// On a GPU multiprocessors: the engine's choice, one, two, or all that a rank can have there.
  private int workers() {
    boolean all = EngineUnderTest.isCuda() && options.workers > 2;
    return all ? GPU_SMS / numRanks() : options.workers;
  }
}
