package io.crossdock.verify.contract.lowlatency;

import io.crossdock.verify.harness.EngineUnderTest;
import io.crossdock.verify.harness.OnCuda;
import io.crossdock.verify.harness.RankProcesses;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.Test;

/// The contract suite of low-latency mode with two ranks as processes that share one GPU through
/// CUDA IPC. They take turns on it, so there are few cases.
@OnCuda
class GpuLowLatencyProcessesTest {
  private static final int CASES = 4;
  private static final long SEED = Long.getLong("crossdock.seed", 20_261_126);

  @Test
  void randomCases() throws Exception {
    List<String> arguments =
        List.of(EngineUnderTest.name(), Long.toString(SEED * 100 + 2), Integer.toString(CASES));
    try (RankProcesses ranks = RankProcesses.start(2, LowLatencyBody.class, arguments)) {
      ranks.awaitSuccess(Duration.ofSeconds(55));
    }
  }
}
