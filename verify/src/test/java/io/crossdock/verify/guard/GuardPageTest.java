package io.crossdock.verify.guard;

import io.crossdock.ffi.GuardedMemory.Edge;
import io.crossdock.verify.harness.RankThreads;
import java.util.Arrays;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;

/// Dispatch and combine with every tensor of the caller flush against a guard page. The name of a
/// test is the case: all that is needed to run it again. One that fails by touching a guard ends
/// the JVM, whose crash file names the method.
class GuardPageTest {
  private static final long SEED = Long.getLong("crossdock.seed", 20_261_125);

  /// {@return cases of normal mode for each edge; low-latency mode has half as many}
  int casesPerEdge() {
    return 80;
  }

  /// {@return cases of normal mode}
  ///
  /// @param perEdge for each edge
  static Stream<GuardCase> cases(int perEdge) {
    return Arrays.stream(Edge.values())
        .flatMap(edge ->
            IntStream.range(0, perEdge).mapToObj(i -> GuardCase.random(SEED * 1000 + i, edge)));
  }

  @TestFactory
  Stream<DynamicTest> nothingBeyondATensorIsTouched() {
    return cases(casesPerEdge())
        .map(test -> DynamicTest.dynamicTest(test.toString(), () -> run(test)));
  }

  @TestFactory
  Stream<DynamicTest> nothingBeyondATensorIsTouchedInLowLatencyMode() {
    return Arrays.stream(Edge.values())
        .flatMap(edge ->
            IntStream.range(0, casesPerEdge() / 2)
                .mapToObj(i -> LowLatencyGuardRun.Case.random(SEED * 1000 + i, edge)))
        .map(test -> DynamicTest.dynamicTest(test.toString(), () -> run(test)));
  }

  private static void run(LowLatencyGuardRun.Case test) throws Exception {
    RankThreads.run(3, group -> LowLatencyGuardRun.run(test, group));
  }

  static void run(GuardCase test) throws Exception {
    RankThreads.run(test.numRanks(), group -> GuardRun.run(test, group));
  }
}
