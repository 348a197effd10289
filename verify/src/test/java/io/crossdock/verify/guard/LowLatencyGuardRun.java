package io.crossdock.verify.guard;

import static org.assertj.core.api.Assertions.assertThat;

import io.crossdock.core.BufferSpec;
import io.crossdock.core.CombineFormat;
import io.crossdock.core.DType;
import io.crossdock.core.Engines;
import io.crossdock.core.EpBuffer;
import io.crossdock.core.LowLatencyCombineOptions;
import io.crossdock.core.LowLatencyDispatchOptions;
import io.crossdock.core.LowLatencyDispatchResult;
import io.crossdock.core.LowLatencyFormat;
import io.crossdock.core.Mode;
import io.crossdock.core.Tensor;
import io.crossdock.core.group.ProcessGroup;
import io.crossdock.ffi.GuardedMemory.Edge;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;

/// Makes a low-latency dispatch and combine twice, with tensors in plain memory and with tensors
/// that abut guard pages: both bring the same bytes.
final class LowLatencyGuardRun {
  private static final int LOCAL_EXPERTS = 3;
  private static final int MAX_TOKENS = 13;
  private static final int[] HIDDENS = {8, 24, 136, 1032, 1048};
  private static final int[] GROUPED_HIDDENS = {128, 384, 640, 1152};

  private final Case test;
  private final EpBuffer buffer;
  private final int rank;
  private final int numRanks;
  private final int tokens;

  /// What is needed to run a case again.
  ///
  /// @param seed of all data
  /// @param edge which edge of each tensor lies against a guard
  /// @param memory how tensors view their memory
  /// @param rows format of the dispatch
  /// @param outputs format of the combine
  /// @param hidden H
  /// @param topk K
  /// @param wideIds I64 rather than I32
  record Case(
      long seed,
      Edge edge,
      GuardCase.Memory memory,
      LowLatencyFormat rows,
      CombineFormat outputs,
      int hidden,
      int topk,
      boolean wideIds) {

    static Case random(long seed, Edge edge) {
      SplittableRandom random = new SplittableRandom(seed);
      LowLatencyFormat rows = LowLatencyFormat.of(random.nextInt(4));
      CombineFormat outputs = CombineFormat.values()[random.nextInt(2)];
      boolean grouped = rows.isFp8() || outputs == CombineFormat.LOGFMT10;
      int[] hiddens = grouped ? GROUPED_HIDDENS : HIDDENS;
      return new Case(
          seed,
          edge,
          GuardCase.Memory.values()[random.nextInt(GuardCase.Memory.values().length)],
          rows,
          outputs,
          hiddens[random.nextInt(hiddens.length)],
          1 + random.nextInt(LOCAL_EXPERTS),
          random.nextBoolean());
    }
  }

  /// Where tensors of the caller lie.
  private interface Maker {
    Tensor matrix(DType dtype, long rows, long columns, MemorySegment bytes);

    Tensor block(DType dtype, MemorySegment bytes, long... shape);

    MemorySegment packed(Tensor tensor, long rows);
  }

  private LowLatencyGuardRun(Case test, EpBuffer buffer) {
    this.test = test;
    this.buffer = buffer;
    this.rank = buffer.group().rank();
    this.numRanks = buffer.group().size();
    this.tokens = new SplittableRandom(test.seed * 31 + rank).nextInt(MAX_TOKENS + 1);
  }

  static void run(Case test, ProcessGroup group) {
    BufferSpec spec =
        BufferSpec.builder()
            .mode(Mode.LOW_LATENCY)
            .numMaxTokensPerRank(MAX_TOKENS)
            .hidden(test.hidden)
            .topk(test.topk)
            .numExperts(LOCAL_EXPERTS * group.size())
            .windows(1, 1)
            .hostTimeout(Duration.ofSeconds(30))
            .build();
    try (GuardedTensors guarded = new GuardedTensors(test.edge, test.memory);
        EpBuffer buffer = EpBuffer.open(Engines.open("host"), spec, group)) {
      LowLatencyGuardRun run = new LowLatencyGuardRun(test, buffer);
      List<byte[]> wanted = run.call(new Plain());
      assertThat(run.call(new Guarded(guarded, test.memory))).containsExactlyElementsOf(wanted);
    }
  }

  /// {@return counts, rows, sums, statistics}
  private List<byte[]> call(Maker maker) {
    SplittableRandom random = new SplittableRandom(test.seed * 17 + rank);
    Tensor x = maker.matrix(DType.BF16, tokens, test.hidden, numbers(random, tokens));
    Tensor ids = maker.matrix(test.wideIds ? DType.I64 : DType.I32, tokens, test.topk, ids(random));
    Tensor stats = maker.block(DType.I32, bytes(4L * LOCAL_EXPERTS), LOCAL_EXPERTS);
    Tensor waits = maker.block(DType.I64, bytes(8L * numRanks), numRanks);
    LowLatencyDispatchOptions options =
        LowLatencyDispatchOptions.DEFAULT
            .withFormat(test.rows)
            .withCumulativeRecvStats(stats)
            .withWaitStats(waits);
    List<byte[]> got = new ArrayList<>();
    int experts = LOCAL_EXPERTS * numRanks;
    try (LowLatencyDispatchResult result =
        buffer.lowLatencyDispatch(x, ids, MAX_TOKENS, experts, options)) {
      addRows(result, got);
      got.add(maker.packed(stats, 1).toArray(ValueLayout.JAVA_BYTE));
      long rows = (long) MAX_TOKENS * numRanks;
      MemorySegment outputs = numbers(random, LOCAL_EXPERTS * rows);
      Tensor y = maker.block(DType.BF16, outputs, LOCAL_EXPERTS, rows, test.hidden);
      Tensor weights = maker.matrix(DType.F32, tokens, test.topk, weights(random));
      Tensor out = maker.matrix(DType.BF16, tokens, test.hidden, bytes(2L * tokens * test.hidden));
      LowLatencyCombineOptions combine =
          LowLatencyCombineOptions.DEFAULT
              .withFormat(test.outputs)
              .withOut(out)
              .withWaitStats(waits);
      buffer.lowLatencyCombine(y, ids, weights, result.handle(), combine);
      got.add(maker.packed(out, tokens).toArray(ValueLayout.JAVA_BYTE));
    }
    return got;
  }

  private void addRows(LowLatencyDispatchResult result, List<byte[]> got) {
    long rowBytes = (long) test.hidden * test.rows.rowType().bytes();
    for (int expert = 0; expert < LOCAL_EXPERTS; expert++) {
      int count = result.recvCount().segment().getAtIndex(ValueLayout.JAVA_INT, expert);
      long from = (long) expert * MAX_TOKENS * numRanks * rowBytes;
      MemorySegment rows = result.recvX().segment().asSlice(from, count * rowBytes);
      got.add(rows.toArray(ValueLayout.JAVA_BYTE));
    }
  }

  private static MemorySegment bytes(long size) {
    return MemorySegment.ofArray(new byte[Math.toIntExact(size)]);
  }

  /// BF16 rows of both signs and a few magnitudes.
  private MemorySegment numbers(SplittableRandom random, long rows) {
    MemorySegment bytes = bytes(rows * test.hidden * 2);
    for (long i = 0; i < rows * test.hidden; i++) {
      short value = (short) (random.nextInt(2) << 15 | 0x3c00 + random.nextInt(0x800));
      bytes.set(ValueLayout.JAVA_SHORT_UNALIGNED, i * 2, value);
    }
    return bytes;
  }

  /// Some choices are masked; the others of a token are consecutive experts.
  private MemorySegment ids(SplittableRandom random) {
    int width = test.wideIds ? 8 : 4;
    MemorySegment bytes = bytes((long) tokens * test.topk * width);
    for (int i = 0; i < tokens * test.topk; i++) {
      int first = (i / test.topk * 5 + rank) % (LOCAL_EXPERTS * numRanks);
      int id = random.nextInt(4) == 0 ? -1 : (first + i % test.topk) % (LOCAL_EXPERTS * numRanks);
      if (test.wideIds) {
        bytes.set(ValueLayout.JAVA_LONG_UNALIGNED, i * 8L, id);
      } else {
        bytes.set(ValueLayout.JAVA_INT_UNALIGNED, i * 4L, id);
      }
    }
    return bytes;
  }

  private MemorySegment weights(SplittableRandom random) {
    MemorySegment bytes = bytes((long) tokens * test.topk * 4);
    for (int i = 0; i < tokens * test.topk; i++) {
      bytes.set(ValueLayout.JAVA_FLOAT_UNALIGNED, i * 4L, (float) random.nextDouble(-1, 1));
    }
    return bytes;
  }

  /// Memory that nothing guards.
  private static final class Plain implements Maker {
    @Override
    public Tensor matrix(DType dtype, long rows, long columns, MemorySegment bytes) {
      return block(dtype, bytes, rows, columns);
    }

    @Override
    public Tensor block(DType dtype, MemorySegment bytes, long... shape) {
      MemorySegment copy = Arena.ofAuto().allocate(Math.max(8, bytes.byteSize()), 8);
      copy.copyFrom(bytes);
      return Tensor.of(copy, dtype, shape);
    }

    @Override
    public MemorySegment packed(Tensor tensor, long rows) {
      return tensor.segment().asSlice(0, tensor.spanBytes());
    }
  }

  /// Memory that abuts guard pages.
  private record Guarded(GuardedTensors tensors, GuardCase.Memory memory) implements Maker {
    @Override
    public Tensor matrix(DType dtype, long rows, long columns, MemorySegment bytes) {
      return tensors.tensor(dtype, rows, columns, bytes);
    }

    @Override
    public Tensor block(DType dtype, MemorySegment bytes, long... shape) {
      MemorySegment segment = tensors.allocate(bytes.byteSize(), dtype.bytes());
      segment.copyFrom(bytes);
      return memory == GuardCase.Memory.ADDRESS
          ? Tensor.ofAddress(segment.address(), dtype, shape)
          : Tensor.of(segment, dtype, shape);
    }

    @Override
    public MemorySegment packed(Tensor tensor, long rows) {
      return tensors.packed(tensor, rows);
    }
  }
}
