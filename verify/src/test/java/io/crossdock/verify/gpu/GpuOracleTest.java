package io.crossdock.verify.gpu;

import static org.assertj.core.api.Assertions.assertThat;

import io.crossdock.core.group.GroupOptions;
import io.crossdock.verify.contract.SoakBody;
import io.crossdock.verify.gpu.FullCalls.Size;
import io.crossdock.verify.harness.EngineUnderTest;
import io.crossdock.verify.harness.OnCuda;
import io.crossdock.verify.harness.RankThreads;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// Many calls on one GPU, small ones and those of a model's size, bit for bit like the oracle.
///
/// `-Dcrossdock.gpu.smallCalls` (2000, all numbers of ranks together), `-Dcrossdock.gpu.fullCalls`
/// (200) and `-Dcrossdock.gpu.fullSeconds` (60) say how many; what was done is printed.
@OnCuda
class GpuOracleTest {
  private static final long SEED = Long.getLong("crossdock.seed", 20_261_125);
  private static final int SMALL_CALLS = Integer.getInteger("crossdock.gpu.smallCalls", 2000);
  private static final int FULL_CALLS = Integer.getInteger("crossdock.gpu.fullCalls", 200);
  private static final Duration FULL_BUDGET =
      Duration.ofSeconds(Integer.getInteger("crossdock.gpu.fullSeconds", 60));
  private static final int NUM_SIZES = 4;
  private static final Size MODEL = new Size(4, 4096, 7168, 8, 256);

  @ParameterizedTest
  @ValueSource(ints = {1, 2, 3, 4})
  void smallRandomCalls(int numRanks) throws Exception {
    List<String> arguments =
        List.of(
            EngineUnderTest.name(), Long.toString(SEED), Integer.toString(SMALL_CALLS / NUM_SIZES));
    RankThreads.run(numRanks, group -> new SoakBody(arguments).run(group));
  }

  @Test
  @Timeout(value = 180, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
  void fullSizeCalls() throws Exception {
    FullCalls calls = new FullCalls(MODEL, FULL_CALLS, FULL_BUDGET);
    Duration patience = FULL_BUDGET.plusSeconds(60);
    GroupOptions options = GroupOptions.defaults().withTimeout(patience);
    try {
      RankThreads.run(MODEL.numRanks(), options, patience, group -> FullRank.run(calls, group));
    } finally {
      System.out.println(calls.summary());
    }
    assertThat(calls.done()).as(calls.summary()).isGreaterThanOrEqualTo(Math.min(40, FULL_CALLS));
  }
}
