package io.crossdock.verify.contract.lowlatency;

import io.crossdock.core.group.GroupOptions;
import io.crossdock.verify.harness.EngineUnderTest;
import io.crossdock.verify.harness.OverNodes;
import io.crossdock.verify.harness.RankThreads;
import io.crossdock.verify.network.Forecast.Puts;
import io.crossdock.verify.network.Weather;
import java.time.Duration;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// The contract suite of low-latency mode over several nodes of threads, with a network that does
/// all that it may.
@OverNodes
class LowLatencyNodesTest {
  private static final int CASES_PER_SIZE = 20;
  private static final long SEED = Long.getLong("crossdock.seed", 20_261_126);

  @ParameterizedTest
  @CsvSource({
    "2, 1, EMULATED",
    "2, 1, REMOTE",
    "2, 2, EMULATED",
    "2, 2, REMOTE",
    "2, 4, REMOTE",
    "3, 1, EMULATED",
    "3, 2, REMOTE",
    "4, 2, EMULATED"
  })
  void randomCases(int numNodes, int numLocalRanks, Puts puts) throws Exception {
    int numRanks = numNodes * numLocalRanks;
    GroupOptions options =
        GroupOptions.defaults().withTimeout(Duration.ofSeconds(60)).withNumNodes(numNodes);
    long first = SEED * 1000 + numNodes * 100L + numLocalRanks * 40L;
    for (long seed = first; seed < first + CASES_PER_SIZE; seed++) {
      Weather.forecast(Weather.USUAL.withPuts(puts).withSeed(seed));
      LowLatencyExpected expected = LowLatencyExpected.of(LowLatencyCase.random(seed, numRanks));
      RankThreads.run(
          numRanks,
          options,
          group -> LowLatencyRun.run(EngineUnderTest.open(), expected, 2, group));
    }
  }
}
