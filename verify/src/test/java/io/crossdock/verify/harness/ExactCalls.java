package io.crossdock.verify.harness;

import io.crossdock.core.CombineInput;
import io.crossdock.core.CombineResult;
import io.crossdock.core.DType;
import io.crossdock.core.DispatchInput;
import io.crossdock.core.DispatchResult;
import io.crossdock.core.EngineMemory;
import io.crossdock.core.EpBuffer;
import io.crossdock.core.Layout;
import io.crossdock.core.Tensor;
import io.crossdock.core.routing.CombineInputs;
import io.crossdock.core.routing.DispatchSpec;
import io.crossdock.core.routing.GatingResult;
import io.crossdock.core.routing.RankInput;
import io.crossdock.core.routing.ReferenceCombine;
import io.crossdock.core.routing.ReferenceDispatch;
import io.crossdock.core.routing.RoutingReference;
import io.crossdock.core.routing.RoutingSampler;
import io.crossdock.core.routing.Topology;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;

/// BF16 calls of one rank whose results are compared with the routing reference, byte by byte. The
/// inputs of all ranks follow from a seed, so that every rank knows what the others send.
///
/// Confined to the thread that uses the buffer.
public final class ExactCalls {
  private final EpBuffer buffer;
  private final int rank;
  private final int numRanks;
  private final int hidden;
  private final int topk;
  private final int maxTokens;
  private final Topology topology;
  private final Tokens tokenCounts;
  private Known known = new Known(0, List.of());

  /// What one rank sends.
  ///
  /// @param x rows
  /// @param topkIdx choices
  /// @param topkWeights weights
  /// @param reference the same in the words of the reference
  public record Batch(Tensor x, Tensor topkIdx, Tensor topkWeights, RankInput reference) {
    /// {@return what dispatch takes}
    public DispatchInput input() {
      return DispatchInput.of(x, topkIdx, topkWeights);
    }
  }

  /// How many tokens a rank sends.
  public enum Tokens {
    /// Between half of the buffer's most and all.
    VARY,
    /// The buffer's most.
    ALL
  }

  /// Makes calls of a buffer with varying numbers of tokens.
  ///
  /// @param buffer in normal mode
  public ExactCalls(EpBuffer buffer) {
    this(buffer, Tokens.VARY);
  }

  /// Makes calls of a buffer.
  ///
  /// @param buffer in normal mode
  /// @param tokenCounts of each rank
  public ExactCalls(EpBuffer buffer, Tokens tokenCounts) {
    this.buffer = buffer;
    this.tokenCounts = tokenCounts;
    this.rank = buffer.group().rank();
    this.numRanks = buffer.group().size();
    this.hidden = buffer.spec().hidden();
    this.topk = buffer.spec().topk();
    this.maxTokens = buffer.spec().numMaxTokensPerRank();
    this.topology = new Topology(numRanks, buffer.group().localSize(), buffer.spec().numExperts());
  }

  /// {@return what this rank sends}
  ///
  /// @param seed of all ranks' inputs
  public Batch batch(long seed) {
    Sent sent = sent(seed, rank);
    long tokens = sent.tokens;
    return new Batch(
        tensor(MemorySegment.ofArray(sent.rows), DType.BF16, tokens, hidden),
        tensor(MemorySegment.ofArray(sent.ids), DType.I64, tokens, topk),
        tensor(MemorySegment.ofArray(sent.weights), DType.F32, tokens, topk),
        sent.reference(hidden, topk));
  }

  /// What a rank sends, as arrays.
  private record Sent(int tokens, short[] rows, long[] ids, float[] weights) {
    RankInput reference(int hidden, int topk) {
      return RankInput.of(tokens, hidden * 2L, MemorySegment.ofArray(rows))
          .withTopk(topk, ids, weights);
    }
  }

  private Sent sent(long seed, int source) {
    SplittableRandom random = random(seed, source);
    int tokens = tokens(random);
    short[] rows = new short[tokens * hidden];
    for (int i = 0; i < rows.length; i++) {
      int bits = random.nextInt();
      rows[i] = (short) ((0x3e00 + (bits & 0x3ff)) | ((bits >> 3) & 0x8000));
    }
    GatingResult gates =
        RoutingSampler.uniform(seed, topology.numExperts(), topk).sample(source, tokens);
    long[] ids = gates.topkIdx().clone();
    for (int i = 0; i < ids.length; i++) {
      ids[i] = random.nextInt(8) == 0 ? -1 : ids[i];
    }
    return new Sent(tokens, rows, ids, gates.topkWeights());
  }

  private static SplittableRandom random(long seed, int source) {
    return new SplittableRandom(seed * 31 + source);
  }

  private int tokens(SplittableRandom random) {
    int fewer = tokenCounts == Tokens.VARY ? random.nextInt(Math.max(1, maxTokens / 2)) : 0;
    return maxTokens - fewer;
  }

  private Tensor tensor(MemorySegment bytes, DType dtype, long... shape) {
    Tensor tensor = Tensor.allocate(Arena.ofAuto(), dtype, shape);
    MemorySegment.copy(bytes, 0, tensor.segment(), 0, bytes.byteSize());
    return buffer.memory().toDevice(tensor);
  }

  /// {@return the layout of this rank's batch}
  ///
  /// @param batch of this rank
  public Layout layout(Batch batch) {
    return buffer.layout(batch.topkIdx(), topology.numExperts());
  }

  /// Dispatches and combines, all checked; collective.
  ///
  /// @param seed equal on all ranks
  public void run(long seed) {
    try (DispatchResult got = dispatch(seed)) {
      combine(seed, got);
    }
  }

  /// Dispatches with the default options; collective.
  ///
  /// @param seed equal on all ranks
  /// @return a result that was checked
  public DispatchResult dispatch(long seed) {
    Batch batch = batch(seed);
    DispatchResult got = buffer.dispatch(batch.input(), layout(batch));
    check(seed, got);
    return got;
  }

  /// Checks what a dispatch of [#batch] brought.
  ///
  /// @param seed of the batch
  /// @param got the result
  public void check(long seed, DispatchResult got) {
    ReferenceDispatch expected = expected(seed).get(rank);
    same(seed, "numRecvTokens", expected.numRecvTokens(), got.numRecvTokens());
    same(seed, "recvX", got.recvX(), expected.recvRows());
    MemorySegment ids = MemorySegment.ofArray(expected.recvTopkIdx());
    same(seed, "recvTopkIdx", got.recvTopkIdx().orElseThrow(), ids);
    MemorySegment weights = MemorySegment.ofArray(expected.recvTopkWeights());
    same(seed, "recvTopkWeights", got.recvTopkWeights().orElseThrow(), weights);
    int[] perExpert = got.tokensPerLocalExpert();
    if (!Arrays.equals(perExpert, expected.tokensPerLocalExpert())) {
      throw new AssertionError(
          "wrong tokensPerLocalExpert: seed=" + seed + ", got=" + Arrays.toString(perExpert));
    }
  }

  /// {@return what each rank receives of the batches of a seed; kept, since a combine asks again}
  ///
  /// @param seed of all ranks' inputs
  public List<ReferenceDispatch> expected(long seed) {
    if (known.received.isEmpty() || known.seed != seed) {
      known = new Known(seed, expected(seed, seed));
    }
    return known.received;
  }

  /// What each rank receives of the batches of a seed.
  private record Known(long seed, List<ReferenceDispatch> received) {}

  /// {@return what each rank receives when rows go where other ones went}
  ///
  /// @param routeSeed of the choices
  /// @param rowSeed of the rows; the same number of tokens
  public List<ReferenceDispatch> expected(long routeSeed, long rowSeed) {
    List<RankInput> inputs = new ArrayList<>();
    for (int source = 0; source < numRanks; source++) {
      Sent routes = sent(routeSeed, source);
      short[] rows = routeSeed == rowSeed ? routes.rows : sent(rowSeed, source).rows;
      inputs.add(new Sent(routes.tokens, rows, routes.ids, routes.weights).reference(hidden, topk));
    }
    return RoutingReference.dispatch(inputs, DispatchSpec.of(topology));
  }

  /// {@return the expert outputs of a dispatch on this rank: the received rows themselves}
  ///
  /// @param got the result
  public CombineInput outputs(DispatchResult got) {
    EngineMemory memory = buffer.memory();
    Tensor y = Tensor.allocate(memory.allocator(), DType.BF16, got.numRecvTokens(), hidden);
    memory.copy(got.recvX().firstRows(got.numRecvTokens()), y);
    return CombineInput.of(y).withTopkWeights(got.recvTopkWeights().orElseThrow());
  }

  /// Combines [#outputs] and checks the sums; collective.
  ///
  /// @param seed of the dispatch
  /// @param got its result
  public void combine(long seed, DispatchResult got) {
    checkCombined(seed, buffer.combine(outputs(got), got.handle()));
  }

  /// Checks what a combine of [#outputs] brought.
  ///
  /// @param seed of the dispatch
  /// @param sums the result
  public void checkCombined(long seed, CombineResult sums) {
    int tokens = tokens(random(seed, rank));
    ReferenceCombine expected = expectedSums(expected(seed), tokens);
    same(seed, "combinedX", sums.combinedX(), expected.combinedX());
    MemorySegment weights = MemorySegment.ofArray(expected.combinedTopkWeights());
    same(seed, "combinedTopkWeights", sums.combinedTopkWeights().orElseThrow(), weights);
  }

  /// {@return the sums of rows and weights as they were received, for this rank}
  ///
  /// @param received by each rank
  /// @param tokens of this rank
  public ReferenceCombine expectedSums(List<ReferenceDispatch> received, int tokens) {
    CombineInputs inputs =
        new CombineInputs(
            hidden,
            topk,
            received,
            received.stream().map(ReferenceDispatch::recvRows).toList(),
            received.stream().map(ReferenceDispatch::recvTopkWeights).toList());
    return RoutingReference.combine(rank, tokens, inputs, List.of(), topology);
  }

  private void same(long seed, String name, long expected, long got) {
    if (expected != got) {
      throw new AssertionError(
          "wrong "
              + name
              + ": seed="
              + seed
              + ", rank="
              + rank
              + ", expected="
              + expected
              + ", got="
              + got);
    }
  }

  private void same(long seed, String name, Tensor got, MemorySegment expected) {
    same(seed, name + " bytes", expected.byteSize(), got.spanBytes());
    sameHead(seed, name, got, expected);
  }

  /// Compares the first bytes of a tensor, all that mean something.
  ///
  /// @param seed for the failure
  /// @param name for the failure
  /// @param got a tensor of the engine, without gaps
  /// @param expected its first bytes
  public void sameHead(long seed, String name, Tensor got, MemorySegment expected) {
    long size = expected.byteSize();
    MemorySegment bytes = buffer.memory().toHost(got).segment().asSlice(0, size);
    long at = bytes.mismatch(expected);
    if (at >= 0) {
      throw new AssertionError(
          "wrong "
              + name
              + ": seed="
              + seed
              + ", rank="
              + rank
              + ", byte="
              + at
              + ", expected="
              + expected.get(ValueLayout.JAVA_BYTE, at)
              + ", got="
              + bytes.get(ValueLayout.JAVA_BYTE, at));
    }
  }
}
