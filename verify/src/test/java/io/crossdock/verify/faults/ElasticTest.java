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
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/// A rank's process stands still, or dies, between low-latency calls, with masks and without.
class ElasticTest {
  private static final int RANKS = 3;
  private static final int KILLED = 128 + LibC.SIGKILL;
  private static final Duration BOUND = Duration.ofSeconds(150);
  private static final String SHORT = "2000";
  private static final String LONG = "45000";
  private static final String STOP = Integer.toString(LibC.SIGSTOP);
  private static final String KILL = Integer.toString(LibC.SIGKILL);

  /// It comes back twice, with `cleanMask` and with `updateMask`.
  @Test
  void stoppedAndMasked() throws Exception {
    stop(RANKS, STOP, "true", "2", SHORT, "DISPATCH", "HOOK", "COMBINE", "CLEAN");
  }

  /// Rank 0 is where the group meets.
  @Test
  @Tag("long")
  void stoppedAndMaskedOften() throws Exception {
    stop(
        4,
        STOP,
        "true",
        "0",
        SHORT,
        "CLEAN",
        "COMBINE",
        "HOOK",
        "DISPATCH",
        "COMBINE",
        "CLEAN",
        "DISPATCH",
        "HOOK",
        "HOOK",
        "DISPATCH",
        "CLEAN",
        "COMBINE");
  }

  @Test
  void stoppedWithoutMasks() throws Exception {
    stop(RANKS, STOP, "false", "0", SHORT, "DISPATCH", "COMBINE", "CLEAN");
  }

  @Test
  @Tag("long")
  void stoppedWithoutMasksOften() throws Exception {
    stop(4, STOP, "false", "3", SHORT, "HOOK", "CLEAN", "COMBINE", "HOOK", "DISPATCH", "DISPATCH");
  }

  private static void stop(int numRanks, String... arguments) throws Exception {
    try (ShmFolder shm = ShmFolder.create();
        RankProcesses ranks =
            RankLaunch.of(numRanks)
                .jvmOption(shm.jvmOption())
                .start(ElasticBody.class, arguments)) {
      ranks.awaitSuccess(BOUND);
      assertThat(shm.files()).isEmpty();
    }
  }

  @Test
  void stoppedInsideASendHalf() throws Exception {
    stopInside(2, 2);
  }

  @Test
  @Tag("long")
  void stoppedInsideASendHalfOften() throws Exception {
    stopInside(0, 14);
  }

  private static void stopInside(int victim, int times) throws Exception {
    long seed = Long.getLong("crossdock.seed", System.nanoTime());
    System.out.println("stops inside a send half: seed=" + seed);
    try (ShmFolder shm = ShmFolder.create();
        RankProcesses ranks =
            RankLaunch.of(RANKS)
                .jvmOption(shm.jvmOption())
                .start(SendHalfBody.class, "" + victim, "" + times, SHORT, "" + seed)) {
      ranks.awaitSuccess(BOUND);
      System.out.println(ranks.output(victim));
      assertThat(shm.files()).isEmpty();
    }
  }

  /// A rank that waits for one that stopped is not the one that is missing.
  @ParameterizedTest
  @ValueSource(strings = {"true", "false"})
  void heldUpByARankThatStopped(String shrinks) throws Exception {
    try (ShmFolder shm = ShmFolder.create();
        RankProcesses ranks =
            RankLaunch.of(RANKS)
                .jvmOption(shm.jvmOption())
                .start(HeldUpBody.class, shrinks, SHORT)) {
      ranks.awaitSuccess(BOUND);
      assertThat(shm.files()).isEmpty();
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"DISPATCH", "COMBINE", "CLEAN"})
  void killedAndMasked(String moment) throws Exception {
    kill("true", 2, moment);
  }

  @ParameterizedTest
  @ValueSource(strings = {"DISPATCH", "COMBINE", "CLEAN"})
  void killedWithoutMasks(String moment) throws Exception {
    kill("false", 2, moment);
  }

  @ParameterizedTest
  @Tag("long")
  @CsvSource({"true, DISPATCH", "true, HOOK", "false, HOOK", "false, CLEAN"})
  void firstRankKilled(String shrinks, String moment) throws Exception {
    kill(shrinks, 0, moment);
  }

  /// A death is seen at once, long before the time-out.
  private static void kill(String shrinks, int victim, String moment) throws Exception {
    try (ShmFolder shm = ShmFolder.create();
        RankProcesses ranks =
            RankLaunch.of(RANKS)
                .jvmOption(shm.jvmOption())
                .start(ElasticBody.class, KILL, shrinks, Integer.toString(victim), LONG, moment)) {
      Duration soon = Duration.ofSeconds(40);
      for (int rank = 0; rank < RANKS; rank++) {
        if (rank != victim) {
          ranks.awaitSuccess(rank, soon);
        }
      }
      assertThat(ranks.await(victim, soon)).isEqualTo(KILLED);
      assertThat(shm.files()).isEmpty();
    }
  }
}
