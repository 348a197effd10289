package io.crossdock.verify.engine;

import static org.assertj.core.api.Assertions.assertThat;

import io.crossdock.cuda.CudaStream;
import io.crossdock.verify.harness.OnCuda;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/// [AllocationTest] on a GPU, where the calls can also be ordered by a stream.
@OnCuda
class GpuAllocationTest extends AllocationTest {
  private final Queue<CudaStream> streams = new ConcurrentLinkedQueue<>();

  @AfterEach
  void closeStreams() {
    streams.forEach(CudaStream::close);
  }

  @Test
  void callsOrderedByAStreamAllocateNothing() throws Exception {
    Cost cost =
        cost(
            24,
            1096,
            (buffer, batch, arena) -> {
              CudaStream stream = CudaStream.create(buffer.memory().device().index());
              streams.add(stream);
              stream.makeCurrent();
              return into(buffer, batch, batch.input);
            });
    assertThat(cost).isEqualTo(NOTHING);
  }
}
