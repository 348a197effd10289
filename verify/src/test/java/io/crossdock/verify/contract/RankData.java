package io.crossdock.verify.contract;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_SHORT_UNALIGNED;

import io.crossdock.core.DType;
import io.crossdock.core.Device;
import io.crossdock.core.DispatchInput;
import io.crossdock.core.EngineMemory;
import io.crossdock.core.Tensor;
import io.crossdock.core.routing.RankInput;
import io.crossdock.core.routing.Topology;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.Optional;
import java.util.SplittableRandom;

/// The inputs of one rank of a case, made from the seed: any rank can make those of any other.
/// Tensors are made on the host and handed out on the engine's device.
final class RankData {
  private static final int PAD_ELEMENTS = 8;

  private final ContractCase test;
  private final int rank;
  private final Arena arena;
  private final EngineMemory memory;
  private final SplittableRandom random;
  final int tokens;
  final long[] ids;
  final float[] weights;
  final MemorySegment rows;
  final MemorySegment scales;

  /// @param round a cached dispatch sends the rows of another round
  /// @param engine of the engine and of the host
  RankData(ContractCase test, int rank, int round, Memories engine) {
    this.test = test;
    this.rank = rank;
    this.arena = engine.host();
    this.memory = engine.device();
    this.tokens = test.tokens().get(rank);
    SplittableRandom routes = new SplittableRandom(test.seed() * 31 + rank);
    this.ids = choose(routes);
    this.weights = new float[ids.length];
    for (int i = 0; i < weights.length; i++) {
      weights[i] = (float) routes.nextDouble();
    }
    this.random = new SplittableRandom(test.seed() * 1_000_003 + rank * 101L + round);
    this.rows = randomBytes(tokens * rowBytes());
    this.scales = randomBytes(tokens * scaleBytes());
  }

  long rowBytes() {
    return (long) test.hidden() * test.rows().dtype.bytes();
  }

  long scaleBytes() {
    if (test.rows().scales == null) {
      return 0;
    }
    int perRow = test.hidden() / 128;
    return test.rows().scales == DType.I32 ? (perRow + 3) / 4 * 4L : perRow * 4L;
  }

  /// Where tensors of a case lie.
  ///
  /// @param host for what is made on the host
  /// @param device of the engine
  record Memories(Arena host, EngineMemory device) {}

  private MemorySegment randomBytes(long bytes) {
    byte[] data = new byte[Math.toIntExact(bytes)];
    random.nextBytes(data);
    return MemorySegment.ofArray(data);
  }

  private long[] choose(SplittableRandom routes) {
    int topk = test.topk();
    int perRank = test.experts() / test.numRanks();
    long[] chosen = new long[tokens * topk];
    int[] pool = new int[test.experts()];
    for (int token = 0; token < tokens; token++) {
      Arrays.setAll(pool, e -> e);
      for (int k = 0; k < topk; k++) {
        int swap = k + routes.nextInt(pool.length - k);
        int expert = pool[swap];
        pool[swap] = pool[k];
        pool[k] = expert;
        chosen[token * topk + k] = route(expert, expert / perRank, routes);
      }
    }
    return chosen;
  }

  private long route(int expert, int owner, SplittableRandom routes) {
    boolean kept =
        switch (test.routing()) {
          case UNIFORM -> true;
          case SOME_MASKED -> routes.nextInt(3) > 0;
          case ALL_MASKED -> false;
          case ALL_TO_ONE -> owner == test.numRanks() - 1;
          case ONE_RANK_GETS_NOTHING -> owner != test.numRanks() / 2;
        };
    return kept ? expert : -1;
  }

  RankInput reference() {
    RankInput input = RankInput.of(tokens, rowBytes(), rows);
    if (test.options().choices()) {
      input = input.withTopk(test.topk(), ids, test.options().weights() ? weights : null);
    } else {
      input = input.withTokenInRank(tokenInRank());
    }
    return test.rows().scales == null ? input : input.withScales(scaleBytes(), scales);
  }

  private boolean[] tokenInRank() {
    Topology topology = Topology.oneNode(test.numRanks(), test.experts());
    RankInput chosen = RankInput.of(tokens, 0, rows).withTopk(test.topk(), ids, null);
    boolean[] inRank = new boolean[tokens * test.numRanks()];
    for (int i = 0; i < inRank.length; i++) {
      inRank[i] = chosen.goesTo(i / test.numRanks(), i % test.numRanks(), topology);
    }
    return inRank;
  }

  Tensor topkIdx() {
    DType dtype = test.options().wideIds() ? DType.I64 : DType.I32;
    Tensor tensor = allocate(dtype, test.topk());
    for (int i = 0; i < ids.length; i++) {
      long at = offset(tensor, i, test.topk());
      if (dtype == DType.I64) {
        tensor.segment().set(JAVA_LONG_UNALIGNED, at, ids[i]);
      } else {
        tensor.segment().set(JAVA_INT_UNALIGNED, at, (int) ids[i]);
      }
    }
    return memory.toDevice(tensor);
  }

  private Tensor topkWeights() {
    Tensor tensor = allocate(DType.F32, test.topk());
    for (int i = 0; i < weights.length; i++) {
      tensor.segment().set(JAVA_FLOAT_UNALIGNED, offset(tensor, i, test.topk()), weights[i]);
    }
    return memory.toDevice(tensor);
  }

  private static long offset(Tensor tensor, int element, int perRow) {
    return element / perRow * tensor.pitchBytes()
        + (long) (element % perRow) * tensor.dtype().bytes();
  }

  /// {@return the rows alone, for a cached dispatch}
  DispatchInput rowsOnly() {
    return new DispatchInput(x(), scalesTensor(), Optional.empty(), Optional.empty());
  }

  DispatchInput dispatchInput(Tensor topkIdx) {
    boolean choices = test.options().choices();
    return new DispatchInput(
        x(),
        scalesTensor(),
        choices ? Optional.of(topkIdx) : Optional.empty(),
        choices && test.options().weights() ? Optional.of(topkWeights()) : Optional.empty());
  }

  private Tensor x() {
    return filled(test.rows().dtype, test.hidden(), rows);
  }

  private Optional<Tensor> scalesTensor() {
    DType dtype = test.rows().scales;
    return dtype == null
        ? Optional.empty()
        : Optional.of(filled(dtype, (int) scaleBytes() / 4, scales));
  }

  private Tensor filled(DType dtype, int columns, MemorySegment bytes) {
    Tensor tensor = allocate(dtype, columns);
    for (long row = 0; row < tokens; row++) {
      MemorySegment.copy(
          bytes,
          row * tensor.rowBytes(),
          tensor.segment(),
          row * tensor.pitchBytes(),
          tensor.rowBytes());
    }
    return memory.toDevice(tensor);
  }

  private Tensor allocate(DType dtype, int columns) {
    return allocate(dtype, tokens, columns);
  }

  /// Allocates memory of the host whose gaps, if any, hold garbage.
  private Tensor allocate(DType dtype, long rows, int columns) {
    long pitch = test.options().strided() ? columns + PAD_ELEMENTS : columns;
    long numBytes = Math.max(1, rows * pitch * dtype.bytes());
    boolean onHeap = test.isOnHeap() && memory.device().equals(Device.HOST);
    MemorySegment bytes =
        onHeap
            ? MemorySegment.ofArray(new byte[Math.toIntExact(numBytes)])
            : arena.allocate(numBytes, 64);
    bytes.fill((byte) 0x7f);
    return Tensor.strided(
        bytes, dtype, new long[] {rows, columns}, new long[] {Math.max(1, pitch), 1});
  }

  /// BF16 rows that stand for expert outputs: both signs, large values that cancel, now and then a
  /// zero of either sign, a denormal, an infinity or a NaN.
  static MemorySegment expertRows(ContractCase test, int rank, int rows) {
    SplittableRandom random = new SplittableRandom(test.seed() * 7919 + rank);
    MemorySegment bytes = MemorySegment.ofArray(new byte[rows * test.hidden() * 2]);
    for (long i = 0; i < (long) rows * test.hidden(); i++) {
      bytes.set(JAVA_SHORT_UNALIGNED, i * 2, expertValue(random));
    }
    return bytes;
  }

  private static short expertValue(SplittableRandom random) {
    int draw = random.nextInt(1000);
    int sign = random.nextInt(2) << 15;
    return (short)
        switch (draw) {
          case 0 -> sign;
          case 1 -> sign | 1 + random.nextInt(0x7f);
          case 2 -> sign | 0x7f80;
          case 3 -> sign | 0x7fc0;
          default -> sign | (draw < 300 ? 0x4b80 : 0x3e00) + random.nextInt(0x200);
        };
  }

  /// Float32 weights that stand for gradients, [rows, K].
  static float[] gradients(ContractCase test, int rank, int rows) {
    SplittableRandom random = new SplittableRandom(test.seed() * 104_729 + rank);
    float[] values = new float[rows * test.topk()];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) random.nextDouble(-1, 1);
    }
    return values;
  }

  /// {@return BF16 bias rows of this rank's tokens, without gaps}
  MemorySegment bias(int index) {
    SplittableRandom source = new SplittableRandom(test.seed() + 17L * rank + index);
    MemorySegment bytes = MemorySegment.ofArray(new byte[tokens * test.hidden() * 2]);
    for (long i = 0; i < bytes.byteSize(); i += 2) {
      bytes.set(JAVA_SHORT_UNALIGNED, i, (short) (0x3f00 + source.nextInt(0x100)));
    }
    return bytes;
  }

  /// {@return a tensor in the case's style whose elements and gaps hold garbage}
  Tensor garbage(DType dtype, int numRows, int columns) {
    return memory.toDevice(allocate(dtype, numRows, columns));
  }

  /// {@return a tensor of the given bytes in the case's style}
  Tensor tensor(DType dtype, int numRows, int columns, MemorySegment bytes) {
    Tensor tensor = allocate(dtype, numRows, columns);
    for (long row = 0; row < numRows; row++) {
      MemorySegment.copy(
          bytes,
          JAVA_BYTE,
          row * tensor.rowBytes(),
          tensor.segment(),
          JAVA_BYTE,
          row * tensor.pitchBytes(),
          tensor.rowBytes());
    }
    return memory.toDevice(tensor);
  }
}
