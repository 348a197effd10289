package io.crossdock.verify.contract.lowlatency;

import io.crossdock.verify.contract.lowlatency.LowLatencyCase.Sizes;
import io.crossdock.verify.harness.EngineUnderTest;
import io.crossdock.verify.harness.RankThreads;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/// The contract suite of low-latency mode with ranks as threads: every case twice, in one buffer. A
/// failure names its case; `-Dcrossdock.seed` draws others.
class LowLatencyThreadsTest {
  private static final int CASES = 60;
  private static final int CASES_OF_A_SIZE = 4;
  private static final long SEED = Long.getLong("crossdock.seed", 20_261_126);

  private static void run(LowLatencyCase test) throws Exception {
    LowLatencyExpected expected = LowLatencyExpected.of(test);
    RankThreads.run(
        test.numRanks(), group -> LowLatencyRun.run(EngineUnderTest.open(), expected, 2, group));
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 2, 3, 4, 5, 8})
  void randomCases(int numRanks) throws Exception {
    for (int i = 0; i < CASES; i++) {
      run(LowLatencyCase.random(SEED * 1000 + numRanks * 100L + i, numRanks));
    }
  }

  /// The ends of what is allowed.
  static Stream<Sizes> extremes() {
    return Stream.of(
        sizes(List.of(2, 1), 16, 2 * 1024, 32),
        sizes(List.of(40, 25), 128, 2 * 600, 12),
        sizes(List.of(1, 1, 1), 8, 3 * 1024, 32),
        sizes(List.of(9, 0), 7168, 2 * 32, 8),
        sizes(List.of(32, 7, 32), 128, 3 * 11, 32),
        sizes(List.of(64, 64), 2944, 2, 1),
        sizes(List.of(129), 1032, 1, 1),
        sizes(Collections.nCopies(5, 128), 640, 5, 1),
        sizes(Collections.nCopies(8, 0), 256, 8, 4),
        sizes(Collections.nCopies(3, 13), 8200, 6, 6));
  }

  private static Sizes sizes(List<Integer> tokens, int hidden, int experts, int topk) {
    int most = Collections.max(tokens);
    return new Sizes(tokens, most, 0, hidden, experts, topk);
  }

  @ParameterizedTest
  @MethodSource("extremes")
  void extremeSizes(Sizes sizes) throws Exception {
    long base = SEED * 2000 + Arrays.hashCode(new int[] {sizes.hidden(), sizes.experts()});
    for (long seed : IntStream.range(0, CASES_OF_A_SIZE).mapToLong(i -> base + i).toArray()) {
      run(LowLatencyCase.random(seed, sizes));
    }
  }
}
