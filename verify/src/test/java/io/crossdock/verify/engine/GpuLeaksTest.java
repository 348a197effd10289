package io.crossdock.verify.engine;

import static org.assertj.core.api.Assertions.assertThat;

import io.crossdock.core.BufferSpec;
import io.crossdock.core.CombineBuffer;
import io.crossdock.core.CombineInput;
import io.crossdock.core.DispatchResult;
import io.crossdock.core.EpBuffer;
import io.crossdock.core.EventOverlap;
import io.crossdock.core.LowLatencyCombineOptions;
import io.crossdock.core.LowLatencyDispatchOptions;
import io.crossdock.core.LowLatencyDispatchResult;
import io.crossdock.core.Mode;
import io.crossdock.core.RecordedCalls;
import io.crossdock.core.RecvHook;
import io.crossdock.core.Tensor;
import io.crossdock.core.group.ProcessGroup;
import io.crossdock.cuda.CudaStream;
import io.crossdock.cuda.CudaUse;
import io.crossdock.verify.harness.EngineUnderTest;
import io.crossdock.verify.harness.OnCuda;
import io.crossdock.verify.harness.RankThreads;
import java.lang.foreign.Arena;
import java.time.Duration;
import java.util.Map;
import org.junit.jupiter.api.Test;

/// Whatever buffers made on a GPU is gone when they are closed.
@OnCuda
class GpuLeaksTest {
  private static final int NUM_RANKS = 2;
  private static final int TOKENS = 16;
  private static final int HIDDEN = 256;
  private static final BufferSpec SPEC =
      BufferSpec.builder()
          .mode(Mode.LOW_LATENCY)
          .numMaxTokensPerRank(TOKENS)
          .hidden(HIDDEN)
          .topk(NUM_RANKS)
          .numExperts(NUM_RANKS)
          .hostTimeout(Duration.ofSeconds(30))
          .build();
  private static final long PATIENCE_NANOS = 10_000_000_000L;

  @Test
  void nothingIsLeftBehind() throws Exception {
    use(); // What all buffers share is made now, and stays.
    Map<String, Integer> before = settled(Map.of());
    for (int i = 0; i < 3; i++) {
      use();
    }
    assertThat(settled(before)).isEqualTo(before);
  }

  private static void use() throws Exception {
    RankThreads.run(NUM_RANKS, GpuLeaksTest::useAsRank);
  }

  private static void useAsRank(ProcessGroup group) {
    try (Arena arena = Arena.ofShared();
        EpBuffer buffer = EpBuffer.open(EngineUnderTest.open(), SPEC, group);
        CudaStream stream = CudaStream.create(buffer.memory().device().index())) {
      Batch batch = Batch.of(buffer, arena, TOKENS);
      call(buffer, batch);
      lowLatencyCall(buffer, batch, LowLatencyDispatchOptions.DEFAULT);
      try (CudaStream.Current _ = stream.makeCurrent()) {
        call(buffer, batch);
        lowLatencyCall(buffer, batch, LowLatencyDispatchOptions.DEFAULT.hooked());
        try (RecordedCalls calls =
            buffer.record(() -> lowLatencyCall(buffer, batch, LowLatencyDispatchOptions.DEFAULT))) {
          group.barrier();
          calls.replay();
        }
        try (EventOverlap event = EpBuffer.capture()) {
          assertThat(event).isNotNull();
        }
      }
    }
  }

  private static void call(EpBuffer buffer, Batch batch) {
    try (DispatchResult got = buffer.dispatch(batch.input, batch.layout);
        CombineBuffer place = buffer.combineBuffer(got.handle())) {
      buffer.combine(CombineInput.of(place.tensor()), got.handle());
    }
  }

  private static void lowLatencyCall(
      EpBuffer buffer, Batch batch, LowLatencyDispatchOptions options) {
    try (LowLatencyDispatchResult got =
        buffer.lowLatencyDispatch(batch.input.x(), batch.topkIdx, TOKENS, NUM_RANKS, options)) {
      got.recvHook().ifPresent(RecvHook::run);
      Tensor weights = batch.input.topkWeights().orElseThrow();
      Tensor y = buffer.nextCombineBuffer(got.handle());
      LowLatencyCombineOptions home =
          LowLatencyCombineOptions.DEFAULT.zeroCopy().withOut(batch.input.x());
      buffer.lowLatencyCombine(y, batch.topkIdx, weights, got.handle(), home);
    }
  }

  /// What lives once the garbage collector found what nobody closes, or after some time: when it is
  /// what is expected, or, while nothing is expected, when it changes no more.
  private static Map<String, Integer> settled(Map<String, Integer> expected)
      throws InterruptedException {
    long deadline = System.nanoTime() + PATIENCE_NANOS;
    Map<String, Integer> seen = CudaUse.live();
    Map<String, Integer> before = Map.of();
    while (!seen.equals(expected.isEmpty() ? before : expected) && System.nanoTime() < deadline) {
      System.gc();
      Thread.sleep(200);
      before = seen;
      seen = CudaUse.live();
    }
    return seen;
  }
}
