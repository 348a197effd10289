package io.crossdock.verify.contract.lowlatency;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static org.assertj.core.api.Assertions.assertThat;

import io.crossdock.core.DType;
import io.crossdock.core.EngineMemory;
import io.crossdock.core.EpBuffer;
import io.crossdock.core.LowLatencyCombineOptions;
import io.crossdock.core.LowLatencyDispatchOptions;
import io.crossdock.core.LowLatencyDispatchResult;
import io.crossdock.core.RecvHook;
import io.crossdock.core.Tensor;
import io.crossdock.core.group.ProcessGroup;
import io.crossdock.verify.contract.lowlatency.LowLatencyCase.Sizes;
import io.crossdock.verify.harness.EngineUnderTest;
import io.crossdock.verify.harness.OnCuda;
import io.crossdock.verify.harness.RankThreads;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/// Every tensor of the caller lies between canaries in one block of a GPU, aligned to its elements
/// and no more: calls are exact, and touch nothing but the tensors.
@OnCuda
class GpuLowLatencyBoundsTest {
  private static final long SEED = Long.getLong("crossdock.seed", 20_261_126);
  private static final int CASES = 16;
  private static final int NUM_RANKS = 2;
  private static final byte CANARY = 0x5a;
  private static final long GAP_BYTES = 64;
  private static final long LINE_BYTES = 16;

  /// Memory of a GPU that tensors are cut from.
  private static final class Block {
    private final EngineMemory memory;
    private final Tensor bytes;
    private final List<Tensor> cut = new ArrayList<>();
    private long end;

    Block(EngineMemory memory, Arena arena, long byteSize) {
      this.memory = memory;
      Tensor image = Tensor.allocate(arena, DType.U8, byteSize);
      image.segment().fill(CANARY);
      this.bytes = memory.toDevice(image);
    }

    Tensor cut(DType dtype, long... shape) {
      long begin = (end + GAP_BYTES + LINE_BYTES - 1) / LINE_BYTES * LINE_BYTES + dtype.bytes();
      long address = bytes.segment().address() + begin;
      Tensor tensor = Tensor.of(bytes.device(), MemorySegment.ofAddress(address), dtype, shape);
      end = begin + tensor.spanBytes();
      assertThat(end + GAP_BYTES).as("bytes of the block").isLessThan(bytes.size(0));
      cut.add(tensor);
      return tensor;
    }

    void checkCanaries() {
      MemorySegment all = memory.toHost(bytes).segment();
      long at = 0;
      for (Tensor tensor : cut) {
        long begin = tensor.segment().address() - bytes.segment().address();
        checkCanaries(all, at, begin);
        at = begin + tensor.spanBytes();
      }
      checkCanaries(all, at, bytes.size(0));
    }

    private static void checkCanaries(MemorySegment all, long begin, long end) {
      for (long at = begin; at < end; at++) {
        if (all.get(JAVA_BYTE, at) != CANARY) {
          throw new AssertionError("byte beside a tensor was written: at=" + at);
        }
      }
    }
  }

  static Stream<LowLatencyCase> cases() {
    return IntStream.range(0, CASES)
        .mapToObj(i -> {
          int hidden = new int[] {256, 640, 2048, 136}[i % 4];
          Sizes sizes = new Sizes(List.of(13, 1 + i), 16, 0, hidden, 3 * NUM_RANKS, 3);
          return LowLatencyCase.random(SEED * 11 + i, sizes);
        });
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("cases")
  void nothingBesideATensorIsTouched(LowLatencyCase test) throws Exception {
    LowLatencyExpected expected = LowLatencyExpected.of(test);
    RankThreads.run(NUM_RANKS, group -> run(expected, group));
  }

  private static void run(LowLatencyExpected expected, ProcessGroup group) {
    LowLatencyCase test = expected.test();
    Sizes sizes = test.sizes();
    LowLatencyData data = expected.data(group.rank());
    try (Arena arena = Arena.ofShared();
        EpBuffer buffer = EpBuffer.open(EngineUnderTest.open(), test.spec(), group)) {
      EngineMemory memory = buffer.memory();
      LowLatencyTensors plain =
          new LowLatencyTensors(new LowLatencyCase.Style(true, false), arena, memory);
      Block block = new Block(memory, arena, 4 << 20);
      Tensor x = block.cut(DType.BF16, data.tokens, sizes.hidden());
      Tensor ids = block.cut(DType.I64, data.tokens, sizes.topk());
      Tensor homeIds = block.cut(DType.I64, data.tokens, sizes.topk());
      Tensor weights = block.cut(DType.F32, data.tokens, sizes.topk());
      memory.copy(plain.onHost(DType.BF16, sizes.hidden(), data.rows), x);
      memory.copy(onHost(plain, sizes, data.ids), ids);
      memory.copy(onHost(plain, sizes, data.combineIds), homeIds);
      MemorySegment factors = MemorySegment.ofArray(data.weights);
      memory.copy(plain.onHost(DType.F32, sizes.topk(), factors), weights);
      LowLatencyDispatchOptions dispatch =
          LowLatencyDispatchOptions.DEFAULT
              .withFormat(test.dispatch().format())
              .withCompletion(test.dispatch().completion())
              .withCumulativeRecvStats(block.cut(DType.I32, sizes.localExperts()))
              .withWaitStats(block.cut(DType.I64, NUM_RANKS));
      try (LowLatencyDispatchResult got =
          buffer.lowLatencyDispatch(x, ids, sizes.maxTokens(), sizes.experts(), dispatch)) {
        got.recvHook().ifPresent(RecvHook::run);
        got.event().currentStreamWait();
        LowLatencyReceived received = LowLatencyReceived.of(got, plain);
        expected.checkDispatch(group.rank(), received);
        Tensor y = block.cut(DType.BF16, got.recvX().shape());
        Tensor outputs = Tensor.allocate(arena, DType.BF16, got.recvX().shape());
        received.applyExperts(test, group.rank(), outputs.segment());
        memory.copy(outputs, y);
        Tensor out = block.cut(DType.BF16, data.tokens, sizes.hidden());
        LowLatencyCombineOptions combine =
            LowLatencyCombineOptions.DEFAULT.withFormat(test.combine().format()).withOut(out);
        buffer.lowLatencyCombine(y, homeIds, weights, got.handle(), combine);
        expected.checkCombine(group.rank(), memory.toHost(out));
      }
      block.checkCanaries();
    }
  }

  private static Tensor onHost(LowLatencyTensors plain, Sizes sizes, long[] ids) {
    return plain.onHost(DType.I64, sizes.topk(), MemorySegment.ofArray(ids));
  }
}
