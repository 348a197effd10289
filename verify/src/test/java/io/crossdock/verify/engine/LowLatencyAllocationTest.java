package io.crossdock.verify.engine;

import static io.crossdock.verify.engine.AllocationTest.NUM_RANKS;
import static org.assertj.core.api.Assertions.assertThat;

import io.crossdock.core.BufferSpec;
import io.crossdock.core.CombineConfig;
import io.crossdock.core.CombineFormat;
import io.crossdock.core.DType;
import io.crossdock.core.DispatchConfig;
import io.crossdock.core.EpBuffer;
import io.crossdock.core.LowLatencyCombineOptions;
import io.crossdock.core.LowLatencyDispatchOptions;
import io.crossdock.core.LowLatencyDispatchResult;
import io.crossdock.core.LowLatencyFormat;
import io.crossdock.core.LowLatencyHandle;
import io.crossdock.core.Mode;
import io.crossdock.core.Tensor;
import io.crossdock.core.group.ProcessGroup;
import io.crossdock.verify.engine.AllocationTest.Aim;
import io.crossdock.verify.engine.AllocationTest.Cost;
import io.crossdock.verify.harness.EngineUnderTest;
import io.crossdock.verify.harness.RankThreads;
import java.lang.foreign.Arena;
import java.lang.foreign.SegmentAllocator;
import java.lang.foreign.ValueLayout;
import java.time.Duration;
import java.util.concurrent.atomic.AtomicLongArray;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/// A low-latency dispatch and a combine into memory of the caller allocate the objects of their
/// results and no more, however large the data is. Counted as in [AllocationTest].
@Timeout(300)
class LowLatencyAllocationTest {
  private static final int LOCAL_EXPERTS = 2;
  private static final int HIDDEN = 2048;
  private static final int TOPK = NUM_RANKS;

  /// Enough for the results, their tensors, views and options.
  private static final long MOST_BYTES = 3000;

  /// A byte for each row, or four for each token, would be more than this.
  private static final long SLACK = 100;

  private static Cost cost(int tokens, Formats formats, Aim aim) throws Exception {
    AtomicLongArray caller = new AtomicLongArray(NUM_RANKS);
    AtomicLongArray worker = new AtomicLongArray(NUM_RANKS);
    BufferSpec spec =
        BufferSpec.builder()
            .mode(Mode.LOW_LATENCY)
            .numMaxTokensPerRank(tokens)
            .hidden(HIDDEN)
            .topk(TOPK)
            .numExperts(NUM_RANKS * LOCAL_EXPERTS)
            .hostTimeout(Duration.ofSeconds(30))
            .build();
    RankThreads.run(
        NUM_RANKS,
        group -> {
          Cost mine = cost(spec, formats, aim, group);
          caller.set(group.rank(), mine.caller());
          worker.set(group.rank(), mine.worker());
        });
    return new Cost(AllocationTest.max(caller), AllocationTest.max(worker));
  }

  private static Cost cost(BufferSpec spec, Formats formats, Aim aim, ProcessGroup group) {
    try (EpBuffer buffer = EpBuffer.open(EngineUnderTest.open(), spec, group)) {
      return AllocationTest.measure(group, aim, calls(buffer, formats));
    }
  }

  /// How rows travel there and back.
  enum Formats {
    PLAIN(LowLatencyFormat.BF16, CombineFormat.BF16),
    ENCODED(LowLatencyFormat.FP8_UE8M0, CombineFormat.LOGFMT10);

    private final LowLatencyFormat there;
    private final CombineFormat back;

    Formats(LowLatencyFormat there, CombineFormat back) {
      this.there = there;
      this.back = back;
    }
  }

  private static Runnable calls(EpBuffer buffer, Formats formats) {
    int tokens = buffer.spec().numMaxTokensPerRank();
    int hidden = buffer.spec().hidden();
    int experts = buffer.spec().numExperts();
    SegmentAllocator memory = buffer.memory().allocator();
    Tensor x = Tensor.allocate(memory, DType.BF16, tokens, hidden);
    Tensor ids = buffer.memory().toDevice(ids(tokens));
    Tensor weights = Tensor.allocate(memory, DType.F32, tokens, TOPK);
    long rows = (long) tokens * NUM_RANKS;
    Tensor y = Tensor.allocate(memory, DType.BF16, LOCAL_EXPERTS, rows, hidden);
    LowLatencyDispatchOptions dispatch =
        LowLatencyDispatchOptions.DEFAULT
            .withFormat(formats.there)
            .withConfig(new DispatchConfig(AllocationTest.WORKERS, 1, 1))
            .withCumulativeRecvStats(Tensor.allocate(memory, DType.I32, LOCAL_EXPERTS))
            .withWaitStats(Tensor.allocate(memory, DType.I64, NUM_RANKS));
    LowLatencyCombineOptions combine =
        LowLatencyCombineOptions.DEFAULT
            .withFormat(formats.back)
            .withConfig(new CombineConfig(AllocationTest.WORKERS, 1, 1))
            .withOut(Tensor.allocate(memory, DType.BF16, tokens, hidden))
            .withWaitStats(Tensor.allocate(memory, DType.I64, NUM_RANKS));
    return () -> {
      try (LowLatencyDispatchResult got =
              buffer.lowLatencyDispatch(x, ids, tokens, experts, dispatch);
          LowLatencyHandle handle = got.handle()) {
        buffer.lowLatencyCombine(y, ids, weights, handle, combine);
      }
    };
  }

  /// One expert of each rank, in turn.
  private static Tensor ids(int tokens) {
    Tensor ids = Tensor.allocate(Arena.ofAuto(), DType.I64, tokens, TOPK);
    for (int i = 0; i < tokens * TOPK; i++) {
      int expert = i % TOPK * LOCAL_EXPERTS + i / TOPK % LOCAL_EXPERTS;
      ids.segment().setAtIndex(ValueLayout.JAVA_LONG, i, (long) expert);
    }
    return ids;
  }

  @ParameterizedTest
  @EnumSource(Formats.class)
  void callsAllocateTheirResultsOnly(Formats formats) throws Exception {
    Cost small = cost(64, formats, Aim.least(new Cost(MOST_BYTES, 0)));
    Cost large = cost(96, formats, Aim.atMost(new Cost(small.caller() + SLACK, 0)));
    assertThat(small.worker()).isZero();
    assertThat(large.worker()).isZero();
    assertThat(small.caller()).isBetween(1L, MOST_BYTES);
    assertThat(large.caller()).isBetween(1L, small.caller() + SLACK);
  }
}
