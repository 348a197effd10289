package io.crossdock.verify.contract;

import io.crossdock.verify.harness.EngineUnderTest;
import io.crossdock.verify.harness.RankProcesses;
import io.crossdock.verify.harness.Thoroughness;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// The contract suite with ranks as processes. A failing rank prints its case.
class ContractProcessesTest {
  private static final int CASES = Thoroughness.cases(25);
  private static final long SEED = Long.getLong("crossdock.seed", 20_261_125);

  @ParameterizedTest
  @ValueSource(ints = {1, 2, 3, 4, 6})
  void randomCases(int numRanks) throws Exception {
    List<String> arguments =
        List.of(
            EngineUnderTest.name(), Long.toString(SEED * 100 + numRanks), Integer.toString(CASES));
    try (RankProcesses ranks = RankProcesses.start(numRanks, ContractBody.class, arguments)) {
      ranks.awaitSuccess(Duration.ofMinutes(2));
    }
  }
}
