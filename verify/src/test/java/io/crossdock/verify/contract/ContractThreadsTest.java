package io.crossdock.verify.contract;

import io.crossdock.verify.harness.EngineUnderTest;
import io.crossdock.verify.harness.RankThreads;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;

/// The contract suite with ranks as threads. The name of a test is the case: all that is needed to
/// run it again.
class ContractThreadsTest {
  private static final int CASES_PER_SIZE = 30;
  private static final long SEED = Long.getLong("crossdock.seed", 20_261_125);

  @TestFactory
  Stream<DynamicTest> randomCases() {
    return IntStream.of(1, 2, 3, 4, 5, 6, 7, 8).boxed().flatMap(ContractThreadsTest::cases);
  }

  private static Stream<DynamicTest> cases(int numRanks) {
    return IntStream.range(0, CASES_PER_SIZE)
        .mapToObj(i -> ContractCase.random(SEED * 1000 + numRanks * 100L + i, numRanks))
        .map(test ->
            DynamicTest.dynamicTest(
                test.toString(),
                () ->
                    RankThreads.run(
                        numRanks, group -> ContractRun.run(EngineUnderTest.NAME, test, 2, group))));
  }
}
