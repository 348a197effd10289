package io.crossdock.verify.engine;

import static org.assertj.core.api.Assertions.assertThat;

import io.crossdock.core.CombineBuffer;
import io.crossdock.core.CombineInput;
import io.crossdock.core.DispatchResult;
import io.crossdock.core.EpBuffer;
import io.crossdock.core.EventOverlap;
import io.crossdock.core.group.ProcessGroup;
import io.crossdock.cuda.CudaStream;
import io.crossdock.cuda.CudaUse;
import io.crossdock.verify.harness.EngineUnderTest;
import io.crossdock.verify.harness.OnCuda;
import io.crossdock.verify.harness.RankThreads;
import java.lang.foreign.Arena;
import java.util.Map;
import org.junit.jupiter.api.Test;

/// Whatever buffers made on a GPU is gone when they are closed.
@OnCuda
class GpuLeaksTest {
  private static final int NUM_RANKS = 2;
  private static final int TOKENS = 16;
  private static final int HIDDEN = 256;
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
        EpBuffer buffer =
            EpBuffer.open(EngineUnderTest.open(), Batch.spec(NUM_RANKS, TOKENS, HIDDEN), group);
        CudaStream stream = CudaStream.create(buffer.memory().device().index())) {
      Batch batch = Batch.of(buffer, arena, TOKENS);
      call(buffer, batch);
      try (CudaStream.Current _ = stream.makeCurrent()) {
        call(buffer, batch);
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
