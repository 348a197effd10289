package io.crossdock.verify.gpu;

import io.crossdock.core.BufferSpec;
import io.crossdock.core.CombineConfig;
import io.crossdock.core.DType;
import io.crossdock.core.DispatchConfig;
import io.crossdock.core.DispatchInput;
import io.crossdock.core.DispatchOptions;
import io.crossdock.core.EngineMemory;
import io.crossdock.core.EpBuffer;
import io.crossdock.core.Placement;
import io.crossdock.core.Tensor;
import io.crossdock.core.group.ProcessGroup;
import io.crossdock.core.routing.ReferenceCombine;
import io.crossdock.core.routing.ReferenceDispatch;
import io.crossdock.cuda.CudaStream;
import io.crossdock.verify.harness.EngineUnderTest;
import io.crossdock.verify.harness.ExactCalls;
import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;

/// One rank with a buffer on a GPU, a stream of its own, and tensors of its full batches.
///
/// Confined to the thread of the rank.
final class GpuRank implements AutoCloseable {
  static final Duration BOUND = Duration.ofSeconds(20);
  private static final int TOKENS = 48;
  private static final int HIDDEN = 512;
  private static final int TOPK = 4;
  private static final int EXPERTS_PER_RANK = 4;
  private static final int SMS = 4;

  /// Few multiprocessors, so that the calls of several buffers find room beside each other.
  static final DispatchConfig DISPATCH = new DispatchConfig(SMS, 1, 32);

  static final CombineConfig COMBINE = new CombineConfig(SMS, 1, 32);

  final EpBuffer buffer;
  final EngineMemory memory;
  final CudaStream stream;
  final int rank;
  final int numExperts;

  /// Batches of as many tokens as the buffer takes.
  final ExactCalls calls;

  final Tensor x;
  final Tensor topkIdx;
  final Tensor topkWeights;

  /// Expert outputs, for all rows that may come.
  final Tensor y;

  final Tensor sums;
  final Tensor weightSums;

  private GpuRank(EpBuffer buffer) {
    this.buffer = buffer;
    this.memory = buffer.memory();
    this.rank = buffer.group().rank();
    this.numExperts = buffer.spec().numExperts();
    this.calls = new ExactCalls(buffer, ExactCalls.Tokens.ALL);
    this.stream = CudaStream.create(memory.device().index());
    this.x = tensor(DType.BF16, TOKENS, HIDDEN);
    this.topkIdx = tensor(DType.I64, TOKENS, TOPK);
    this.topkWeights = tensor(DType.F32, TOKENS, TOPK);
    this.y = tensor(DType.BF16, mostRows(), HIDDEN);
    this.sums = tensor(DType.BF16, TOKENS, HIDDEN);
    this.weightSums = tensor(DType.F32, TOKENS, TOPK);
    load(0);
  }

  static GpuRank open(ProcessGroup group) {
    BufferSpec spec =
        EngineUnderTest.bounded(
                BufferSpec.builder()
                    .numMaxTokensPerRank(TOKENS)
                    .hidden(HIDDEN)
                    .topk(TOPK)
                    .numExperts(group.size() * EXPERTS_PER_RANK),
                BOUND)
            .build();
    return new GpuRank(EpBuffer.open(EngineUnderTest.open(), spec, group));
  }

  Tensor tensor(DType dtype, long... shape) {
    return Tensor.allocate(memory.allocator(), dtype, shape);
  }

  int mostRows() {
    return buffer.group().size() * TOKENS;
  }

  /// Copies a batch into this rank's tensors, as work of the current stream.
  void load(long seed) {
    ExactCalls.Batch batch = calls.batch(seed);
    memory.copy(batch.x(), x);
    memory.copy(batch.topkIdx(), topkIdx);
    memory.copy(batch.topkWeights(), topkWeights);
  }

  DispatchInput input() {
    return DispatchInput.of(x, topkIdx, topkWeights);
  }

  /// Sizes are known before, so that the host waits for nothing.
  DispatchOptions sized() {
    return DispatchOptions.DEFAULT.withNumWorstTokens(mostRows()).withConfig(DISPATCH);
  }

  DispatchOptions sizedAndOwned() {
    return sized().withPlacement(Placement.owned(memory.allocator()));
  }

  /// Compares what arrived, as work behind that of the current stream.
  void checkRows(long seed, Tensor got, List<ReferenceDispatch> expected) {
    calls.sameHead(seed, "recvX", got, expected.get(rank).recvRows());
  }

  void checkChoices(long seed, Optional<Tensor> ids, Optional<Tensor> weights) {
    ReferenceDispatch expected = calls.expected(seed).get(rank);
    long[] all = new long[mostRows() * TOPK];
    Arrays.fill(all, -1);
    System.arraycopy(expected.recvTopkIdx(), 0, all, 0, expected.recvTopkIdx().length);
    calls.sameHead(seed, "recvTopkIdx", ids.orElseThrow(), MemorySegment.ofArray(all));
    float[] padded = new float[all.length];
    System.arraycopy(expected.recvTopkWeights(), 0, padded, 0, expected.recvTopkWeights().length);
    calls.sameHead(seed, "recvTopkWeights", weights.orElseThrow(), MemorySegment.ofArray(padded));
  }

  void checkSums(long seed, Tensor got, List<ReferenceDispatch> received) {
    ReferenceCombine expected = calls.expectedSums(received, TOKENS);
    calls.sameHead(seed, "combinedX", got, expected.combinedX());
  }

  void checkWeightSums(long seed, Tensor got) {
    ReferenceCombine expected = calls.expectedSums(calls.expected(seed), TOKENS);
    MemorySegment weights = MemorySegment.ofArray(expected.combinedTopkWeights());
    calls.sameHead(seed, "combinedTopkWeights", got, weights);
  }

  @Override
  public void close() {
    try (stream) {
      buffer.close();
    }
  }
}
