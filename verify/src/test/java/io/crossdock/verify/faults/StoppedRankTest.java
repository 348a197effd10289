package io.crossdock.verify.faults;

import static org.assertj.core.api.Assertions.assertThat;

import io.crossdock.ffi.LibC;
import io.crossdock.verify.harness.RankLaunch;
import io.crossdock.verify.harness.RankProcesses;
import io.crossdock.verify.harness.ShmFolder;
import java.time.Duration;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// A rank's process stands still, or dies, while it writes a row into the windows of its peers.
class StoppedRankTest {
  private static final int RANKS = 3;
  private static final int KILLED = 128 + LibC.SIGKILL;
  private static final Duration BOUND = Duration.ofSeconds(60);
  private static final String SHORT = "1500";
  private static final String LONG = "45000";

  private static RankProcesses start(
      ShmFolder shm, MidRowBody.Scenario scenario, int victim, String timeoutMillis)
      throws Exception {
    return RankLaunch.of(RANKS)
        .jvmOption(shm.jvmOption())
        .start(MidRowBody.class, scenario.name(), Integer.toString(victim), timeoutMillis);
  }

  @Test
  void continuedInTime() throws Exception {
    try (ShmFolder shm = ShmFolder.create();
        RankProcesses ranks = start(shm, MidRowBody.Scenario.CONTINUED, 2, LONG)) {
      ranks.awaitSuccess(BOUND);
      assertThat(shm.files()).isEmpty();
    }
  }

  /// Rank 0 is where the group meets.
  @Test
  void continuedWhenTheOthersGaveUp() throws Exception {
    giveUpOn(0);
  }

  @Test
  @Tag("long")
  void continuedWhenTheOthersGaveUpOnTheLast() throws Exception {
    giveUpOn(2);
  }

  private static void giveUpOn(int victim) throws Exception {
    try (ShmFolder shm = ShmFolder.create();
        RankProcesses ranks = start(shm, MidRowBody.Scenario.TIMED_OUT, victim, SHORT)) {
      ranks.awaitSuccess(BOUND);
      assertThat(shm.files()).isEmpty();
    }
  }

  @Test
  void continuedWhenTheOthersAreGone() throws Exception {
    int victim = 2;
    try (ShmFolder shm = ShmFolder.create();
        RankProcesses ranks = start(shm, MidRowBody.Scenario.LEFT_ALONE, victim, SHORT)) {
      ranks.awaitSuccess(0, BOUND);
      ranks.awaitSuccess(1, BOUND);
      assertThat(ranks.process(victim).isAlive()).isTrue();
      LibC.signal(ranks.process(victim).pid(), LibC.SIGCONT);
      ranks.awaitSuccess(victim, BOUND);
      assertThat(shm.files()).isEmpty();
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 2})
  void killed(int victim) throws Exception {
    try (ShmFolder shm = ShmFolder.create();
        RankProcesses ranks = start(shm, MidRowBody.Scenario.KILLED, victim, LONG)) {
      for (int rank = 0; rank < RANKS; rank++) {
        if (rank != victim) {
          ranks.awaitSuccess(rank, BOUND);
        }
      }
      assertThat(ranks.await(victim, BOUND)).isEqualTo(KILLED);
      assertThat(shm.files()).isEmpty();
    }
  }
}
