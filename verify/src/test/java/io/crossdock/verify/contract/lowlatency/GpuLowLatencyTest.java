package io.crossdock.verify.contract.lowlatency;

import io.crossdock.core.EpBuffer;
import io.crossdock.cuda.CudaStream;
import io.crossdock.verify.contract.lowlatency.LowLatencyCase.Sizes;
import io.crossdock.verify.harness.EngineUnderTest;
import io.crossdock.verify.harness.OnCuda;
import io.crossdock.verify.harness.RankThreads;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/// The contract suite of low-latency mode on one GPU with ranks as threads. The name of a test is
/// the case; `-Dcrossdock.gpu.cases` sets how many there are of each number of ranks.
@OnCuda
class GpuLowLatencyTest {
  private static final int CASES_PER_SIZE = Integer.getInteger("crossdock.gpu.cases", 24);
  private static final int CASES_ON_STREAM = CASES_PER_SIZE / 3;
  private static final long SEED = Long.getLong("crossdock.seed", 20_261_126);

  private static Stream<LowLatencyCase> cases(int firstSeed, int numCases, int... sizes) {
    return IntStream.of(sizes)
        .boxed()
        .flatMap(numRanks ->
            IntStream.range(firstSeed, firstSeed + numCases)
                .mapToObj(i -> LowLatencyCase.random(SEED * 1000 + numRanks * 100L + i, numRanks)));
  }

  static Stream<LowLatencyCase> cases() {
    return cases(0, CASES_PER_SIZE, 1, 2, 3, 4, 5, 8);
  }

  static Stream<LowLatencyCase> streamCases() {
    return cases(50, CASES_ON_STREAM, 1, 2, 4);
  }

  private static void run(LowLatencyCase test) throws Exception {
    LowLatencyExpected expected = LowLatencyExpected.of(test);
    RankThreads.run(
        test.numRanks(), group -> LowLatencyRun.run(EngineUnderTest.open(), expected, 2, group));
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("cases")
  void randomCase(LowLatencyCase test) throws Exception {
    run(test);
  }

  /// Calls are ordered by a stream, and the host runs ahead of them.
  @ParameterizedTest(name = "{0}")
  @MethodSource("streamCases")
  void onAStreamOfTheCaller(LowLatencyCase test) throws Exception {
    LowLatencyExpected expected = LowLatencyExpected.of(test);
    RankThreads.run(
        test.numRanks(),
        group -> {
          try (EpBuffer buffer = EpBuffer.open(EngineUnderTest.open(), test.spec(), group);
              CudaStream stream = CudaStream.create(buffer.memory().device().index());
              CudaStream.Current _ = stream.makeCurrent()) {
            for (int i = 0; i < 4; i++) {
              LowLatencyRun.once(expected, buffer);
            }
            buffer.check();
          }
        });
  }

  /// The ends of what is allowed.
  @ParameterizedTest
  @MethodSource("io.crossdock.verify.contract.lowlatency.LowLatencyThreadsTest#extremes")
  void extremeSizes(Sizes sizes) throws Exception {
    long base = SEED * 2000 + sizes.hashCode();
    for (int i = 0; i < 2; i++) {
      run(LowLatencyCase.random(base + i, sizes));
    }
  }
}
