package io.crossdock.verify.contract;

import io.crossdock.core.group.GroupOptions;
import io.crossdock.verify.harness.EngineUnderTest;
import io.crossdock.verify.harness.OverNodes;
import io.crossdock.verify.harness.RankLaunch;
import io.crossdock.verify.harness.RankProcesses;
import io.crossdock.verify.harness.RankThreads;
import java.time.Duration;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// The contract suite over several nodes with UCX between them, nodes of threads and of processes.
@OverNodes(transport = "ucx")
class ContractUcxTest {
  private static final int CASES_OF_THREADS = 6;
  private static final int CASES_OF_PROCESSES = 12;
  private static final long SEED = Long.getLong("crossdock.seed", 20_261_126);

  private static long seed(int numNodes, int numLocalRanks) {
    return SEED * 1000 + 500 + numNodes * 100L + numLocalRanks * 20L;
  }

  @ParameterizedTest
  @CsvSource({"2, 1", "2, 2", "3, 1"})
  void threads(int numNodes, int numLocalRanks) throws Exception {
    int numRanks = numNodes * numLocalRanks;
    GroupOptions options =
        GroupOptions.defaults().withTimeout(Duration.ofSeconds(60)).withNumNodes(numNodes);
    for (int i = 0; i < CASES_OF_THREADS; i++) {
      ContractCase test = ContractCase.random(seed(numNodes, numLocalRanks) + i, numRanks);
      RankThreads.run(
          numRanks, options, group -> ContractRun.run(EngineUnderTest.name(), test, 2, group));
    }
  }

  @ParameterizedTest
  @CsvSource({"2, 1", "2, 2", "3, 2"})
  void processes(int numNodes, int numLocalRanks) throws Exception {
    long first = seed(numNodes, numLocalRanks) + CASES_OF_THREADS;
    try (RankProcesses ranks =
        RankLaunch.of(numNodes * numLocalRanks)
            .nodes(numNodes)
            .start(
                ContractBody.class,
                EngineUnderTest.name(),
                Long.toString(first),
                Integer.toString(CASES_OF_PROCESSES))) {
      ranks.awaitSuccess(Duration.ofMinutes(2));
    }
  }
}
