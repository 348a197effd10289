package io.crossdock.verify.faults;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;

import io.crossdock.core.AbortedException;
import io.crossdock.core.BufferClosedException;
import io.crossdock.core.BufferSpec;
import io.crossdock.core.WaitTimeoutException;
import io.crossdock.verify.harness.OnCuda;
import io.crossdock.verify.harness.RankThreads;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Arrays;
import org.junit.jupiter.api.Disabled;
import org.junit.jupiter.api.RepeatedTest;
import org.junit.jupiter.api.Test;

/// [LowLatencyCloseTest] on one GPU, and a rank that does not come where nobody may be masked.
@OnCuda
class GpuLowLatencyCloseTest extends LowLatencyCloseTest {
  private static final Duration TIMEOUT = Duration.ofSeconds(1);
  private static final Duration LATE = Duration.ofSeconds(5);
  private static final int ABSENT = 2;

  @Override
  @RepeatedTest(1)
  @Disabled("results of a closed buffer cannot be told from live ones on a GPU")
  void closeAtAnyMoment() {
    throw new AssertionError("disabled");
  }

  @Test
  void rankThatNeverComes() throws Exception {
    RankThreads.run(
        3,
        group -> {
          BufferSpec spec = ElasticRank.spec(3, TIMEOUT).enableShrink(false).build();
          try (ElasticRank rank = ElasticRank.open(group, spec)) {
            rank.calls().run(0, 3);
            group.barrier();
            String outcome = rank.rank() == ABSENT ? "" : miss(rank);
            byte[][] all = group.allGather(outcome.getBytes(StandardCharsets.UTF_8));
            assertThat(Arrays.stream(all).map(b -> new String(b, StandardCharsets.UTF_8)))
                .contains("WaitTimeoutException");
            assertThat(catchThrowable(() -> rank.calls().run(4)))
                .isInstanceOfAny(BufferClosedException.class, AbortedException.class)
                .hasMessageContaining("peer did not arrive");
            rank.buffer().reset();
            rank.calls().run(5, 20);
          }
        });
  }

  private static String miss(ElasticRank rank) {
    long start = System.nanoTime();
    Throwable thrown = catchThrowable(() -> rank.calls().run(3));
    Duration took = Duration.ofNanos(System.nanoTime() - start);
    assertThat(took).as("time until the exception").isLessThan(TIMEOUT.plus(LATE));
    assertThat(thrown)
        .isInstanceOfAny(
            WaitTimeoutException.class, AbortedException.class, BufferClosedException.class)
        .hasMessageContaining("peer did not arrive: rank=")
        .hasMessageMatching("(?s).*peer=2, phase=(RECEIVE|ANNOUNCE), expected=.*");
    return thrown.getClass().getSimpleName();
  }
}
