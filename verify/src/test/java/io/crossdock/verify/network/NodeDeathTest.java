package io.crossdock.verify.network;

import static org.assertj.core.api.Assertions.assertThat;

import io.crossdock.ffi.LibC;
import io.crossdock.verify.harness.RankLaunch;
import io.crossdock.verify.harness.RankProcesses;
import io.crossdock.verify.harness.ShmFolder;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/// Processes of a node die in the middle of a call, one or all of them: no survivor hangs or
/// breaks, all are told in time, and go on without the dead.
@RequiresNodes
class NodeDeathTest {
  private static final int LOCAL_RANKS = 2;
  private static final int RANKS = 2 * LOCAL_RANKS;
  private static final int KILLED = 128 + LibC.SIGKILL;
  private static final Duration BOUND = Duration.ofSeconds(90);

  /// Deaths are seen, not waited for.
  private static final String LONG = "25000";

  /// A rank that takes a second or two to start beside other tests is no loss.
  private static final String SHORT = "4000";

  static Stream<Arguments> losses() {
    return Stories.each(
        List.of(
            Arguments.of("NORMAL", "3", "DISPATCH"),
            Arguments.of("NORMAL", "2,3", "DISPATCH"),
            Arguments.of("NORMAL", "2,3", "COMBINE"),
            Arguments.of("NORMAL", "0", "COMBINE"),
            Arguments.of("LOW_LATENCY", "2,3", "DISPATCH"),
            Arguments.of("LOW_LATENCY", "1", "COMBINE")));
  }

  @ParameterizedTest(name = "{0}, victims {1} in {2}, seed {3}")
  @MethodSource("losses")
  void survivorsAreTold(String kind, String victims, String moment, long seed) throws Exception {
    Stories.begin("survivorsAreTold " + kind + " " + victims + " " + moment, seed);
    try (TwoNodes nodes = TwoNodes.open(TwoNodes.Link.VETH, seed);
        ShmFolder shm = ShmFolder.create();
        RankProcesses ranks =
            launch(nodes, shm)
                .start(LossBody.class, kind, LONG, "" + seed, moment, victims, "true")) {
      awaitSurvivors(ranks, LossBody.ranks(victims));
      assertThat(shm.files()).isEmpty();
    }
  }

  static Stream<Arguments> masks() {
    return Stories.each(
        List.of(
            Arguments.of("3", "DISPATCH"),
            Arguments.of("2,3", "COMBINE"),
            Arguments.of("0,1", "DISPATCH")));
  }

  @ParameterizedTest(name = "victims {0} in {1}, seed {2}")
  @MethodSource("masks")
  void survivorsMask(String victims, String moment, long seed) throws Exception {
    Stories.begin("survivorsMask " + victims + " " + moment, seed);
    try (TwoNodes nodes = TwoNodes.open(TwoNodes.Link.VETH, seed);
        ShmFolder shm = ShmFolder.create();
        RankProcesses ranks =
            launch(nodes, shm).start(MaskBody.class, LONG, "" + seed, moment, victims)) {
      awaitSurvivors(ranks, LossBody.ranks(victims));
      assertThat(shm.files()).isEmpty();
    }
  }

  /// As a machine whose power fails: nothing says that its ranks are gone.
  @ParameterizedTest(name = "seed {0}")
  @MethodSource("io.crossdock.verify.network.Stories#seeds")
  void nodeVanishes(long seed) throws Exception {
    Stories.begin("nodeVanishes", seed);
    try (TwoNodes nodes = TwoNodes.open(TwoNodes.Link.CABLE, seed);
        ShmFolder shm = ShmFolder.create();
        RankProcesses ranks =
            launch(nodes, shm)
                .start(LossBody.class, "NORMAL", SHORT, "0", "DISPATCH", "none", "false")) {
      vanish(nodes, ranks, LossBody.RUNNING, seed);
    }
  }

  /// As the other one, with masks.
  @ParameterizedTest(name = "seed {0}")
  @MethodSource("io.crossdock.verify.network.Stories#seeds")
  void nodeVanishesAndIsMasked(long seed) throws Exception {
    Stories.begin("nodeVanishesAndIsMasked", seed);
    try (TwoNodes nodes = TwoNodes.open(TwoNodes.Link.CABLE, seed);
        ShmFolder shm = ShmFolder.create();
        RankProcesses ranks =
            launch(nodes, shm).start(MaskBody.class, SHORT, "0", "DISPATCH", "none")) {
      vanish(nodes, ranks, MaskBody.RUNNING, seed);
    }
  }

  private static void vanish(TwoNodes nodes, RankProcesses ranks, String running, long seed)
      throws Exception {
    ranks.awaitOutput(0, running, BOUND);
    TimeUnit.MICROSECONDS.sleep(Math.floorMod(seed, 20_000));
    nodes.cable().set(LinkWeather.CUT);
    for (int rank = LOCAL_RANKS; rank < RANKS; rank++) {
      LibC.signal(ranks.process(rank).pid(), LibC.SIGKILL);
    }
    awaitSurvivors(ranks, List.of(2, 3));
  }

  private static RankLaunch launch(TwoNodes nodes, ShmFolder shm) {
    return nodes.launch(LOCAL_RANKS).jvmOption(shm.jvmOption());
  }

  private static void awaitSurvivors(RankProcesses ranks, List<Integer> victims) throws Exception {
    for (int rank = 0; rank < RANKS; rank++) {
      if (!victims.contains(rank)) {
        ranks.awaitSuccess(rank, BOUND);
        System.out.print(ranks.output(rank).indent(2));
      }
    }
    for (int victim : victims) {
      assertThat(ranks.await(victim, BOUND)).as("exit code of %d", victim).isEqualTo(KILLED);
    }
  }
}
