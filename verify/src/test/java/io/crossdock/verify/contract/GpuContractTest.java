package io.crossdock.verify.contract;

import io.crossdock.verify.harness.EngineUnderTest;
import io.crossdock.verify.harness.OnCuda;
import io.crossdock.verify.harness.RankThreads;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/// The contract suite on one GPU with ranks as threads. The name of a test is the case;
/// `-Dcrossdock.gpu.cases` sets how many there are of each number of ranks.
@OnCuda
class GpuContractTest {
  private static final int CASES_PER_SIZE = Integer.getInteger("crossdock.gpu.cases", 40);
  private static final long SEED = Long.getLong("crossdock.seed", 20_261_125);

  static Stream<ContractCase> cases() {
    return IntStream.of(1, 2, 3, 4, 8).boxed().flatMap(GpuContractTest::cases);
  }

  private static Stream<ContractCase> cases(int numRanks) {
    return IntStream.range(0, CASES_PER_SIZE)
        .mapToObj(i -> ContractCase.random(SEED * 1000 + numRanks * 100L + i, numRanks));
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("cases")
  void randomCase(ContractCase test) throws Exception {
    RankThreads.run(
        test.numRanks(), group -> ContractRun.run(EngineUnderTest.name(), test, 2, group));
  }
}
