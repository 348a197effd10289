package io.crossdock.verify.guard;

import static org.assertj.core.api.Assertions.assertThat;

import io.crossdock.core.EpBuffer;
import io.crossdock.core.group.ProcessGroup;
import io.crossdock.verify.harness.EngineUnderTest;
import io.crossdock.verify.harness.OverNodes;
import io.crossdock.verify.harness.PropertyChange;
import io.crossdock.verify.harness.RankThreads;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;

/// [GuardPageTest] with ranks on several nodes and UCX between them, and fewer cases.
@OverNodes(transport = "ucx")
class GuardPageUcxTest extends GuardPageTest {
  private static final int CASES_OF_PUTS = 8;
  private static final String PUTS = "crossdock.ucx.normal.puts";

  @Override
  int casesPerEdge() {
    return 20;
  }

  /// UCX takes rows out of the caller's memory then, where it copies messages. Over TCP, which
  /// carries puts of UCX by messages of its own.
  @TestFactory
  Stream<DynamicTest> oneSidedPutsTouchNothingBeyondATensor() {
    return cases(CASES_OF_PUTS)
        .filter(test -> test.numRanks() > 1)
        .map(test -> DynamicTest.dynamicTest(test.toString(), () -> runWithPuts(test)));
  }

  private static void runWithPuts(GuardCase test) throws Exception {
    try (PropertyChange _ = new PropertyChange(PUTS, "rma")) {
      RankThreads.run(test.numRanks(), group -> onPuts(test, group));
    }
  }

  private static void onPuts(GuardCase test, ProcessGroup group) {
    try (EpBuffer buffer = EpBuffer.open(EngineUnderTest.open(), test.spec(), group)) {
      assertThat(buffer.transport()).contains("mode=normal, puts=rma");
    }
    GuardRun.run(test, group);
  }
}
