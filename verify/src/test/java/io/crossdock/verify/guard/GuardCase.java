package io.crossdock.verify.guard;

import io.crossdock.core.BufferSpec;
import io.crossdock.core.CombineConfig;
import io.crossdock.core.DType;
import io.crossdock.core.DispatchConfig;
import io.crossdock.core.routing.Topology;
import io.crossdock.ffi.GuardedMemory.Edge;
import io.crossdock.verify.harness.NetworkChunks;
import io.crossdock.verify.harness.NodesUnderTest;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;

/// One dispatch and one combine whose tensors all lie against guard pages. Its text is all that is
/// needed to run it again.
///
/// @param seed of all data
/// @param edge which edge of each tensor lies against a guard
/// @param tokens of each rank
/// @param hidden H
/// @param topk K
/// @param rows type of the rows
/// @param memory how tensors view their memory
/// @param flow how the calls are made
/// @param wideIds I64 rather than I32
/// @param numBias 0, 1 or 2
/// @param workers of both calls
/// @param stages of both calls
/// @param chunkRows of both calls
record GuardCase(
    long seed,
    Edge edge,
    List<Integer> tokens,
    int hidden,
    int topk,
    Rows rows,
    Memory memory,
    Flow flow,
    boolean wideIds,
    int numBias,
    int workers,
    int stages,
    int chunkRows) {

  private static final int[] TOKENS = {0, 1, 2, 13, 33, 600};
  private static final int[] HIDDENS = {8, 24, 136, 1032, 1048};
  private static final int[] FP8_HIDDENS = {128, 384, 640, 1152};
  private static final int LOCAL_EXPERTS = 3;

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

  /// How tensors view their memory.
  enum Memory {
    /// A segment without gaps.
    DENSE,
    /// A segment with gaps between rows, but none behind the last.
    STRIDED,
    /// A raw address.
    ADDRESS
  }

  /// How the calls are made.
  enum Flow {
    /// Rows stay in the window, sums are allocated by the caller's allocator.
    BORROWED,
    /// Rows and sums are allocated by the caller's allocator.
    OWNED,
    /// As many rows as asked for, the tail filled.
    WORST_TOKENS,
    /// Everything was allocated before.
    INTO
  }

  static GuardCase random(long seed, Edge edge) {
    SplittableRandom random = new SplittableRandom(seed);
    List<Integer> tokens = new ArrayList<>();
    int numRanks = 1 + random.nextInt(4);
    for (int rank = 0; rank < numRanks; rank++) {
      tokens.add(TOKENS[random.nextInt(TOKENS.length)]);
    }
    Rows rows = Rows.values()[random.nextInt(Rows.values().length)];
    int[] hiddens = rows.scales == null ? HIDDENS : FP8_HIDDENS;
    return new GuardCase(
        seed,
        edge,
        List.copyOf(tokens),
        hiddens[random.nextInt(hiddens.length)],
        1 + random.nextInt(LOCAL_EXPERTS * numRanks),
        rows,
        Memory.values()[random.nextInt(Memory.values().length)],
        Flow.values()[random.nextInt(Flow.values().length)],
        random.nextBoolean(),
        random.nextInt(3),
        1 + random.nextInt(3),
        1 + random.nextInt(5),
        1 + random.nextInt(20));
  }

  int numRanks() {
    return tokens.size();
  }

  int numExperts() {
    return LOCAL_EXPERTS * numRanks();
  }

  Topology topology() {
    return NodesUnderTest.topology(numRanks(), numExperts());
  }

  int maxTokens() {
    return tokens.stream().mapToInt(t -> t).max().orElse(0);
  }

  int worstTokens() {
    return flow == Flow.WORST_TOKENS ? numRanks() * Math.max(1, maxTokens()) : 0;
  }

  int scaleColumns() {
    int perRow = hidden / BufferSpec.CHANNELS_PER_SCALE;
    return rows.scales == DType.I32 ? (perRow + 3) / 4 : perRow;
  }

  BufferSpec spec() {
    return BufferSpec.builder()
        .numMaxTokensPerRank(maxTokens())
        .hidden(hidden)
        .topk(topk)
        .numExperts(numExperts())
        .dtype(rows.scales == null ? rows.dtype : DType.BF16)
        .hostTimeout(Duration.ofSeconds(30))
        .build();
  }

  DispatchConfig dispatchConfig(int rank) {
    return new DispatchConfig(workers, stages, chunkRows, NetworkChunks.rows(seed, rank, 0));
  }

  CombineConfig combineConfig(int rank) {
    return new CombineConfig(workers, stages, chunkRows, NetworkChunks.rows(seed, rank, 1));
  }
}
