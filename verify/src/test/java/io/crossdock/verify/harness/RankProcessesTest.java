package io.crossdock.verify.harness;

import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.crossdock.core.group.ProcessGroup;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import org.junit.jupiter.api.Test;

/// What a test learns of ranks that are processes.
class RankProcessesTest {
  private static final Duration BOUND = Duration.ofSeconds(60);

  /// Never ends.
  public static final class Endless implements RankBody {
    private static final String READY = "goes on for ever";

    /// @param arguments none
    public Endless(List<String> arguments) {}

    @Override
    public void run(ProcessGroup group) throws InterruptedException {
      System.out.println(READY);
      new CountDownLatch(1).await();
    }
  }

  @Test
  void aRankThatHangsTellsWhatItsThreadsDo() throws Exception {
    try (RankProcesses ranks = RankProcesses.start(1, Endless.class, List.of())) {
      ranks.awaitOutput(0, Endless.READY, BOUND);
      assertThatThrownBy(() -> ranks.await(0, Duration.ofMillis(10)))
          .isInstanceOf(AssertionError.class)
          .hasMessageContaining("rank hangs: rank=0")
          .hasMessageContaining("state=S")
          .hasMessageContaining("Endless.run");
    }
  }
}
