package io.crossdock.verify.contract;

import io.crossdock.verify.harness.EngineUnderTest;
import io.crossdock.verify.harness.OnCuda;
import io.crossdock.verify.harness.RankProcesses;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.Test;

/// The contract suite with two ranks as processes that share one GPU through CUDA IPC. They take
/// turns on it, so there are few cases.
@OnCuda
class GpuProcessesTest {
  private static final int CASES = 5;
  private static final long SEED = Long.getLong("crossdock.seed", 20_261_125);

  @Test
  void randomCases() throws Exception {
    List<String> arguments =
        List.of(EngineUnderTest.name(), Long.toString(SEED * 100 + 2), Integer.toString(CASES));
    try (RankProcesses ranks = RankProcesses.start(2, ContractBody.class, arguments)) {
      ranks.awaitSuccess(Duration.ofSeconds(55));
    }
  }
}
