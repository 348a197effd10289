package io.crossdock.verify.faults;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.crossdock.core.DType;
import io.crossdock.core.EngineMemory;
import io.crossdock.core.EpBuffer;
import io.crossdock.core.LowLatencyCombineOptions;
import io.crossdock.core.LowLatencyCombineResult;
import io.crossdock.core.LowLatencyDispatchOptions;
import io.crossdock.core.LowLatencyDispatchResult;
import io.crossdock.core.LowLatencyFormat;
import io.crossdock.core.Tensor;
import io.crossdock.core.format.Bf16;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.SplittableRandom;
import java.util.function.Supplier;

/// Low-latency calls of one rank in which every byte is compared with what follows from a seed and
/// from the ranks that are masked here when the call is over. Expert outputs are the received rows
/// with the sign turned.
///
/// A row repeats a short pattern, so that large ones are made and compared quickly.
///
/// Confined to the thread that uses the buffer.
public final class ElasticCalls {
  /// Options of a dispatch of BF16 rows.
  public static final LowLatencyDispatchOptions BF16 =
      LowLatencyDispatchOptions.DEFAULT.withFormat(LowLatencyFormat.BF16);

  private static final int PATTERN = 64;
  private static final short SIGN = Short.MIN_VALUE;
  private static final long SIGNS = 0x8000_8000_8000_8000L;

  private final EpBuffer buffer;
  private final EngineMemory memory;
  private final int rank;
  private final int numRanks;
  private final int numExperts;
  private final int local;
  private final int hidden;
  private final int topk;
  private final int maxTokens;
  private final MemorySegment expected;

  /// What a rank received, on the host.
  private record Received(Tensor x, Tensor count, Tensor sources, Tensor ranges) {
    static Received of(LowLatencyDispatchResult got, EngineMemory memory) {
      return new Received(
          memory.toHost(got.recvX()),
          memory.toHost(got.recvCount()),
          memory.toHost(got.handle().srcInfo()),
          memory.toHost(got.handle().layoutRange()));
    }
  }

  /// What a rank sends: a pattern, choices and weights for each token.
  ///
  /// @param patterns of the rows
  /// @param ids of chosen experts, -1 for none
  /// @param weights of the choices
  private record Sent(short[][] patterns, long[][] ids, float[][] weights) {
    int tokens() {
      return patterns.length;
    }
  }

  /// Makes calls of a buffer.
  ///
  /// @param buffer in low-latency mode
  public ElasticCalls(EpBuffer buffer) {
    this.buffer = buffer;
    this.memory = buffer.memory();
    this.rank = buffer.group().rank();
    this.numRanks = buffer.group().size();
    this.numExperts = buffer.spec().numExperts();
    this.local = numExperts / numRanks;
    this.hidden = buffer.spec().hidden();
    this.topk = buffer.spec().topk();
    this.maxTokens = buffer.spec().numMaxTokensPerRank();
    this.expected = Arena.ofAuto().allocate(hidden * 2L, 8);
  }

  private Sent sent(long seed, int source) {
    SplittableRandom random = new SplittableRandom(seed * 31 + source);
    int tokens = maxTokens - random.nextInt(Math.max(1, maxTokens));
    Sent sent =
        new Sent(new short[tokens][PATTERN], new long[tokens][topk], new float[tokens][topk]);
    for (int token = 0; token < tokens; token++) {
      for (int i = 0; i < PATTERN; i++) {
        int bits = random.nextInt();
        sent.patterns[token][i] = (short) ((0x3e00 + (bits & 0x3ff)) | ((bits >> 3) & SIGN));
      }
      int first = random.nextInt(numExperts);
      for (int k = 0; k < topk; k++) {
        boolean none = random.nextInt(8) == 0;
        sent.ids[token][k] = none ? -1 : (first + k) % numExperts;
        sent.weights[token][k] = (float) random.nextDouble(-1, 1);
      }
    }
    return sent;
  }

  /// Dispatches and combines, all checked; collective.
  ///
  /// @param seed equal on all ranks
  public void run(long seed) {
    try (LowLatencyDispatchResult got = dispatch(seed)) {
      combine(seed, got);
    }
  }

  /// Makes checked calls.
  ///
  /// @param firstSeed of the first call
  /// @param count of dispatches
  public void run(long firstSeed, int count) {
    for (long seed = firstSeed; seed < firstSeed + count; seed++) {
      run(seed);
    }
  }

  /// Dispatches and checks; collective.
  ///
  /// @param seed equal on all ranks
  /// @return a result that was checked
  public LowLatencyDispatchResult dispatch(long seed) {
    LowLatencyDispatchResult got = dispatch(seed, BF16);
    try {
      check(seed, got);
    } catch (AssertionError e) {
      got.close();
      throw e;
    }
    return got;
  }

  /// Dispatches; nothing is checked.
  ///
  /// @param seed equal on all ranks
  /// @param options of BF16 rows
  /// @return the result
  LowLatencyDispatchResult dispatch(long seed, LowLatencyDispatchOptions options) {
    return prepareDispatch(seed, options).get();
  }

  /// {@return a dispatch whose input is ready}
  ///
  /// @param seed equal on all ranks
  /// @param options of BF16 rows
  Supplier<LowLatencyDispatchResult> prepareDispatch(long seed, LowLatencyDispatchOptions options) {
    Sent sent = sent(seed, rank);
    Tensor x = Tensor.allocate(Arena.ofAuto(), DType.BF16, sent.tokens(), hidden);
    for (int token = 0; token < sent.tokens(); token++) {
      fill(x.segment().asSlice(2L * token * hidden, hidden * 2L), sent.patterns[token]);
    }
    Tensor rows = memory.toDevice(x);
    Tensor ids = ids(sent);
    return () -> buffer.lowLatencyDispatch(rows, ids, maxTokens, numExperts, options);
  }

  /// Repeats a pattern all over a row.
  private static void fill(MemorySegment row, short[] pattern) {
    long size = row.byteSize();
    long done = Math.min(size, pattern.length * 2L);
    MemorySegment.copy(MemorySegment.ofArray(pattern), 0, row, 0, done);
    while (done < size) {
      long bytes = Math.min(done, size - done);
      MemorySegment.copy(row, 0, row, done, bytes);
      done += bytes;
    }
  }

  private Tensor ids(Sent sent) {
    Tensor ids = Tensor.allocate(Arena.ofAuto(), DType.I64, sent.tokens(), topk);
    for (int i = 0; i < sent.tokens() * topk; i++) {
      ids.segment().setAtIndex(JAVA_LONG, i, sent.ids[i / topk][i % topk]);
    }
    return memory.toDevice(ids);
  }

  /// Checks what a dispatch brought from the ranks that live.
  ///
  /// @param seed of the dispatch
  /// @param got its result
  void check(long seed, LowLatencyDispatchResult got) {
    check(seed, got, buffer.queryMask());
  }

  /// Checks what a dispatch brought.
  ///
  /// @param seed of the dispatch
  /// @param result of the dispatch
  /// @param masked when it was complete
  void check(long seed, LowLatencyDispatchResult result, boolean[] masked) {
    Received got = Received.of(result, memory);
    int[] counts = new int[local];
    for (int source = 0; source < numRanks; source++) {
      int[] begins = counts.clone();
      if (!masked[source]) {
        checkSource(seed, got, source, counts);
      }
      checkRange(seed, got, source, begins, counts);
    }
    for (int expert = 0; expert < local; expert++) {
      same(seed, "recvCount", counts[expert], intAt(got.count, expert));
    }
  }

  private void checkSource(long seed, Received got, int source, int[] counts) {
    Sent sent = sent(seed, source);
    for (int choice = 0; choice < sent.tokens() * topk; choice++) {
      int token = choice / topk;
      long id = sent.ids[token][choice % topk];
      if (id >= 0 && id / local == rank) {
        int expert = (int) (id % local);
        long row = (long) expert * maxTokens * numRanks + counts[expert];
        String from = " of source " + source + " at row " + row;
        same(seed, "srcInfo" + from, token, intAt(got.sources, row));
        checkRow(seed, "recvX" + from, got.x, row, sent.patterns[token]);
        counts[expert]++;
      }
    }
  }

  private void checkRow(long seed, String what, Tensor rows, long row, short[] pattern) {
    fill(expected, pattern);
    MemorySegment bytes = rows.segment().asSlice(row * hidden * 2L, hidden * 2L);
    same(seed, what + ", first wrong byte", -1, bytes.mismatch(expected));
  }

  private void checkRange(long seed, Received got, int source, int[] begins, int[] ends) {
    for (int expert = 0; expert < local; expert++) {
      long at = ((long) expert * numRanks + source) * 2;
      int count = ends[expert] - begins[expert];
      same(seed, "layoutRange begin of source " + source, begins[expert], intAt(got.ranges, at));
      same(seed, "layoutRange count of source " + source, count, intAt(got.ranges, at + 1));
    }
  }

  private static int intAt(Tensor tensor, long index) {
    return tensor.segment().getAtIndex(JAVA_INT, index);
  }

  private void same(long seed, String what, long wanted, long got) {
    if (wanted != got) {
      throw new AssertionError(
          "wrong "
              + what
              + ": seed="
              + seed
              + ", rank="
              + rank
              + ", expected="
              + wanted
              + ", got="
              + got);
    }
  }

  /// Combines and checks; collective.
  ///
  /// @param seed of the dispatch
  /// @param got its result, complete
  public void combine(long seed, LowLatencyDispatchResult got) {
    LowLatencyCombineOptions options = LowLatencyCombineOptions.DEFAULT;
    checkSums(seed, combine(seed, got, seed % 2 == 0 ? options.zeroCopy() : options));
  }

  /// Combines; nothing is checked.
  ///
  /// @param seed of the dispatch
  /// @param got its result, complete
  /// @param options of the combine
  /// @return the result
  LowLatencyCombineResult combine(
      long seed, LowLatencyDispatchResult got, LowLatencyCombineOptions options) {
    return prepareCombine(seed, got, options).get();
  }

  /// {@return a combine whose input is ready}
  ///
  /// @param seed of the dispatch
  /// @param got its result, complete
  /// @param options of the combine
  Supplier<LowLatencyCombineResult> prepareCombine(
      long seed, LowLatencyDispatchResult got, LowLatencyCombineOptions options) {
    Tensor y =
        options.source() == LowLatencyCombineOptions.Source.COMBINE_BUFFER
            ? outputsInPlace(got)
            : memory.toDevice(
                negate(got, Tensor.allocate(Arena.ofAuto(), DType.BF16, got.recvX().shape())));
    Sent sent = sent(seed, rank);
    Tensor weights = Tensor.allocate(Arena.ofAuto(), DType.F32, sent.tokens(), topk);
    for (int token = 0; token < sent.tokens(); token++) {
      MemorySegment.copy(
          MemorySegment.ofArray(sent.weights[token]),
          0,
          weights.segment(),
          4L * token * topk,
          topk * 4L);
    }
    Tensor ids = ids(sent);
    Tensor factors = memory.toDevice(weights);
    return () -> buffer.lowLatencyCombine(y, ids, factors, got.handle(), options);
  }

  private Tensor outputsInPlace(LowLatencyDispatchResult got) {
    Tensor place = buffer.nextCombineBuffer(got.handle());
    Tensor outputs = negate(got, memory.toHost(place));
    if (outputs != place) {
      memory.copy(outputs, place);
    }
    return place;
  }

  private Tensor negate(LowLatencyDispatchResult result, Tensor y) {
    Received got = Received.of(result, memory);
    for (int expert = 0; expert < local; expert++) {
      long from = (long) expert * maxTokens * numRanks * hidden / 4;
      long to = from + (long) intAt(got.count, expert) * hidden / 4;
      for (long at = from; at < to; at++) {
        long word = got.x.segment().getAtIndex(JAVA_LONG, at);
        y.segment().setAtIndex(JAVA_LONG, at, word ^ SIGNS);
      }
    }
    return y;
  }

  /// Checks the sums of outputs from the ranks that live.
  ///
  /// @param seed of the dispatch
  /// @param got the result of the combine, complete
  void checkSums(long seed, LowLatencyCombineResult got) {
    boolean[] masked = buffer.queryMask();
    Tensor sums = memory.toHost(got.combinedX());
    Sent sent = sent(seed, rank);
    short[] pattern = new short[PATTERN];
    for (int token = 0; token < sent.tokens(); token++) {
      for (int i = 0; i < PATTERN; i++) {
        pattern[i] = sum(sent, token, i, masked);
      }
      checkRow(seed, "combinedX of token " + token, sums, token, pattern);
    }
  }

  private short sum(Sent sent, int token, int element, boolean[] masked) {
    float value = Bf16.toFloat((short) (sent.patterns[token][element] ^ SIGN));
    float sum = 0;
    for (int k = 0; k < topk; k++) {
      long id = sent.ids[token][k];
      if (id >= 0 && !masked[(int) (id / local)]) {
        sum = Math.fma(sent.weights[token][k], value, sum);
      }
    }
    return Bf16.fromFloat(sum);
  }
}
