package io.crossdock.verify.contract.lowlatency;

import static org.assertj.core.api.Assertions.assertThat;

import io.crossdock.core.Engine;
import io.crossdock.core.EpBuffer;
import io.crossdock.core.group.GroupOptions;
import io.crossdock.core.group.ProcessGroup;
import io.crossdock.verify.harness.EngineUnderTest;
import io.crossdock.verify.harness.OverNodes;
import io.crossdock.verify.harness.PropertyChange;
import io.crossdock.verify.harness.RankLaunch;
import io.crossdock.verify.harness.RankProcesses;
import io.crossdock.verify.harness.RankThreads;
import io.crossdock.verify.harness.Thoroughness;
import java.time.Duration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// The contract suite of low-latency mode over several nodes with UCX between them, nodes of
/// threads and of processes.
@OverNodes(transport = "ucx")
class LowLatencyUcxTest {
  private static final int CASES_OF_PUTS = 3;
  private static final String PUTS = "crossdock.ucx.lowLatency.puts";

  /// Processes begin behind the cases of threads.
  private static final int FIRST_OF_PROCESSES = 6;

  private static final long SEED = Long.getLong("crossdock.seed", 20_261_126);

  private static long seed(int numNodes, int numLocalRanks) {
    return SEED * 1000 + 500 + numNodes * 100L + numLocalRanks * 20L;
  }

  private static GroupOptions options(int numNodes) {
    return GroupOptions.defaults().withTimeout(Duration.ofSeconds(60)).withNumNodes(numNodes);
  }

  @ParameterizedTest
  @CsvSource({"2, 1, 6", "2, 2, 6", "3, 1, 6", "3, 2, 3"})
  void threads(int numNodes, int numLocalRanks, int numCases) throws Exception {
    int numRanks = numNodes * numLocalRanks;
    for (int i = 0; i < numCases; i++) {
      LowLatencyExpected expected =
          LowLatencyExpected.of(LowLatencyCase.random(seed(numNodes, numLocalRanks) + i, numRanks));
      RankThreads.run(
          numRanks,
          options(numNodes),
          group -> LowLatencyRun.run(EngineUnderTest.open(), expected, 2, group));
    }
  }

  /// Over TCP, which carries puts of UCX by messages of its own.
  @Test
  void oneSidedPuts() throws Exception {
    try (PropertyChange _ = new PropertyChange(PUTS, "rma")) {
      for (int i = 0; i < CASES_OF_PUTS; i++) {
        LowLatencyExpected expected =
            LowLatencyExpected.of(LowLatencyCase.random(seed(2, 2) + i, 4));
        RankThreads.run(4, options(2), group -> onPuts(expected, group));
      }
    }
  }

  private static void onPuts(LowLatencyExpected expected, ProcessGroup group) {
    Engine engine = EngineUnderTest.open();
    try (EpBuffer buffer = EpBuffer.open(engine, expected.test().spec(), group)) {
      assertThat(buffer.transport()).contains("mode=lowLatency, puts=rma");
    }
    LowLatencyRun.run(engine, expected, 2, group);
  }

  @ParameterizedTest
  @CsvSource({"2, 1, 12", "2, 2, 12", "3, 2, 6", "2, 4, 2", "4, 2, 2"})
  void processes(int numNodes, int numLocalRanks, int numCases) throws Exception {
    long first = seed(numNodes, numLocalRanks) + FIRST_OF_PROCESSES;
    try (RankProcesses ranks =
        RankLaunch.of(numNodes * numLocalRanks)
            .nodes(numNodes)
            .start(
                LowLatencyBody.class,
                EngineUnderTest.name(),
                Long.toString(first),
                Integer.toString(Thoroughness.cases(numCases)))) {
      ranks.awaitSuccess(Duration.ofMinutes(2));
    }
  }
}
