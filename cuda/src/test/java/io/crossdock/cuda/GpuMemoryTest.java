package io.crossdock.cuda;

import io.crossdock.cuda.driver.CudaProbe;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// What ranks of a process share of a GPU's memory.
@Tag("gpu")
@Timeout(60)
class GpuMemoryTest {
  private static final Duration BOUND = Duration.ofSeconds(10);
  private static final int STREAMS = 2000;
  private static final int OPEN_STREAMS = 64;

  @BeforeAll
  static void needsAGpu() {
    List<String> reasons = CudaProbe.probe().reasons();
    Assumptions.assumeTrue(reasons.isEmpty(), () -> "no GPU: " + String.join(", ", reasons));
  }

  /// A rank that closes waits for all streams, while others close their own.
  @Test
  void streamsMayBeClosedWhileAllAreDrained() {
    GpuMemory memory = CudaGpu.open(0).memory();
    CompletableFuture<Void> others = CompletableFuture.runAsync(GpuMemoryTest::openAndClose);
    do {
      memory.drainStreams(BOUND);
    } while (!others.isDone());
    others.join();
  }

  /// Many are open at any time, so that each drain visits some that end meanwhile.
  private static void openAndClose() {
    Deque<CudaStream> open = new ArrayDeque<>();
    for (int i = 0; i < STREAMS; i++) {
      open.add(CudaStream.create(0));
      if (open.size() > OPEN_STREAMS) {
        open.remove().close();
      }
    }
    open.forEach(CudaStream::close);
  }
}
