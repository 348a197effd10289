package io.crossdock.verify.network;

import static org.assertj.core.api.Assertions.assertThat;

import io.crossdock.verify.harness.RankLaunch;
import io.crossdock.verify.harness.RankProcesses;
import io.crossdock.verify.harness.ShmFolder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/// The link between nodes is slow, loses packets, lets them overtake each other, or is cut: results
/// are exact, or every rank is told in time.
@RequiresNodes
class BadLinkTest {
  private static final Duration BOUND = Duration.ofSeconds(90);

  /// A rank that takes a second or two to start beside other tests is no loss.
  private static final String SHORT = "4000";

  @TempDir private Path folder;

  private static RankLaunch launch(TwoNodes nodes, int localRanks, ShmFolder shm) {
    return nodes.launch(localRanks).jvmOption(shm.jvmOption());
  }

  static Stream<Arguments> weathers() {
    LinkWeather slow = LinkWeather.FAIR.delayed(5);
    return Stories.each(
        List.of(
            Arguments.of("NORMAL", "5 ms and out of order", slow.reordered(2), 25),
            Arguments.of("LOW_LATENCY", "5 ms and out of order", slow.reordered(2), 25),
            Arguments.of("NORMAL", "2 % lost", LinkWeather.FAIR.lossy(20), 25),
            Arguments.of("LOW_LATENCY", "2 % lost", LinkWeather.FAIR.lossy(20), 25),
            Arguments.of("NORMAL", "2 MB/s", LinkWeather.FAIR.throttled(2_000_000), 25)));
  }

  @ParameterizedTest(name = "{0}, {1}, seed {4}")
  @MethodSource("weathers")
  void isExactInBadWeather(String kind, String what, LinkWeather weather, int calls, long seed)
      throws Exception {
    Stories.begin("isExactInBadWeather " + kind + " " + what, seed);
    try (TwoNodes nodes = TwoNodes.open(TwoNodes.Link.CABLE, seed);
        ShmFolder shm = ShmFolder.create()) {
      nodes.cable().set(weather);
      try (RankProcesses ranks =
          launch(nodes, 1, shm).start(SteadyBody.class, kind, "" + calls, "-1", "0")) {
        awaitSuccess(ranks);
      }
      long lost = nodes.cable().lost(0) + nodes.cable().lost(1);
      assertThat(lost).isGreaterThanOrEqualTo(weather.loses() ? 1 : 0);
      assertThat(shm.files()).isEmpty();
    }
  }

  static Stream<Arguments> kinds() {
    return Stories.each(List.of(Arguments.of("NORMAL"), Arguments.of("LOW_LATENCY")));
  }

  /// Calls take longer, that is all.
  @ParameterizedTest(name = "{0}, seed {1}")
  @MethodSource("kinds")
  void isExactWhenTheLinkWasDown(String kind, long seed) throws Exception {
    Stories.begin("isExactWhenTheLinkWasDown " + kind, seed);
    Path end = folder.resolve("end");
    try (TwoNodes nodes = TwoNodes.open(TwoNodes.Link.CABLE, seed);
        ShmFolder shm = ShmFolder.create();
        RankProcesses ranks =
            launch(nodes, 1, shm).start(SteadyBody.class, kind, "" + end, "-1", "0")) {
      ranks.awaitOutput(0, SteadyBody.RUNNING, BOUND);
      TimeUnit.MICROSECONDS.sleep(Math.floorMod(seed, 20_000));
      nodes.cable().set(LinkWeather.CUT);
      TimeUnit.SECONDS.sleep(2);
      assertThat(ranks.process(0).isAlive()).isTrue();
      assertThat(ranks.process(1).isAlive()).isTrue();
      nodes.cable().set(LinkWeather.FAIR);
      Files.createFile(end);
      awaitSuccess(ranks);
      assertThat(shm.files()).isEmpty();
    }
  }

  static Stream<Arguments> cuts() {
    return Stories.each(
        List.of(
            Arguments.of("NORMAL", Cut.BOTH_WAYS),
            Arguments.of("NORMAL", Cut.ONE_WAY),
            Arguments.of("LOW_LATENCY", Cut.BOTH_WAYS)));
  }

  /// What of the link is cut.
  enum Cut {
    /// No node hears the other one.
    BOTH_WAYS {
      @Override
      void make(Cable cable) {
        cable.set(LinkWeather.CUT);
      }
    },
    /// Node 1 hears node 0, which hears nothing.
    ONE_WAY {
      @Override
      void make(Cable cable) {
        cable.set(1, LinkWeather.CUT);
      }
    };

    abstract void make(Cable cable);
  }

  @ParameterizedTest(name = "{0}, {1}, seed {2}")
  @MethodSource("cuts")
  void tellsBothNodesWhenTheLinkIsCut(String kind, Cut cut, long seed) throws Exception {
    Stories.begin("tellsBothNodesWhenTheLinkIsCut " + kind + " " + cut, seed);
    try (TwoNodes nodes = TwoNodes.open(TwoNodes.Link.CABLE, seed);
        ShmFolder shm = ShmFolder.create();
        RankProcesses ranks =
            launch(nodes, 2, shm)
                .start(LossBody.class, kind, SHORT, "0", "DISPATCH", "none", "false")) {
      ranks.awaitOutput(0, LossBody.RUNNING, BOUND);
      TimeUnit.MICROSECONDS.sleep(Math.floorMod(seed, 20_000));
      cut.make(nodes.cable());
      awaitSuccess(ranks);
      for (int rank = 1; rank < 4; rank++) {
        System.out.print(ranks.output(rank).indent(2));
      }
      assertThat(shm.files()).isEmpty();
    }
  }

  /// Both nodes go on, each without the other one.
  @ParameterizedTest(name = "seed {0}")
  @MethodSource("io.crossdock.verify.network.Stories#seeds")
  void masksTheOtherNodeWhenTheLinkIsCut(long seed) throws Exception {
    Stories.begin("masksTheOtherNodeWhenTheLinkIsCut", seed);
    try (TwoNodes nodes = TwoNodes.open(TwoNodes.Link.CABLE, seed);
        ShmFolder shm = ShmFolder.create();
        RankProcesses ranks =
            launch(nodes, 2, shm).start(MaskBody.class, SHORT, "0", "DISPATCH", "none")) {
      ranks.awaitOutput(0, MaskBody.RUNNING, BOUND);
      TimeUnit.MICROSECONDS.sleep(Math.floorMod(seed, 20_000));
      nodes.cable().set(LinkWeather.CUT);
      awaitSuccess(ranks);
      assertThat(shm.files()).isEmpty();
    }
  }

  /// Their ports of the transport are closed to each other.
  @ParameterizedTest(name = "seed {0}")
  @MethodSource("io.crossdock.verify.network.Stories#seeds")
  void tellsThatAFirewallIsBetweenNodes(long seed) throws Exception {
    Stories.begin("tellsThatAFirewallIsBetweenNodes", seed);
    try (TwoNodes nodes = TwoNodes.open(TwoNodes.Link.CABLE, seed);
        ShmFolder shm = ShmFolder.create()) {
      nodes.cable().passOnly(TwoNodes.PORT);
      try (RankProcesses ranks = launch(nodes, 2, shm).start(FirewallBody.class)) {
        awaitSuccess(ranks);
      }
      assertThat(shm.files()).isEmpty();
    }
  }

  static Stream<Arguments> allKinds() {
    return Stories.each(Stream.of(NodeRank.Kind.values()).map(Arguments::of).toList());
  }

  /// All ranks give up, and begin anew when the link is up.
  @ParameterizedTest(name = "{0}, seed {1}")
  @MethodSource("allKinds")
  void comesBackWhenTheLinkDoes(NodeRank.Kind kind, long seed) throws Exception {
    Stories.begin("comesBackWhenTheLinkDoes " + kind, seed);
    int rounds = kind == NodeRank.Kind.ELASTIC ? 2 : 1;
    try (TwoNodes nodes = TwoNodes.open(TwoNodes.Link.CABLE, seed);
        ShmFolder shm = ShmFolder.create();
        RankProcesses ranks =
            launch(nodes, 2, shm).start(ComeBackBody.class, "" + folder, "" + kind, "" + rounds)) {
      for (int round = 0; round < rounds; round++) {
        awaitAll(ranks, ComeBackBody.running(round));
        TimeUnit.MICROSECONDS.sleep(Math.floorMod(seed, 20_000));
        nodes.cable().set(LinkWeather.CUT);
        awaitAll(ranks, ComeBackBody.lost(round));
        nodes.cable().set(LinkWeather.FAIR);
        Files.createFile(folder.resolve(ComeBackBody.healed(round)));
      }
      awaitSuccess(ranks);
      assertThat(shm.files()).isEmpty();
    }
  }

  private static void awaitAll(RankProcesses ranks, String text) throws Exception {
    for (int rank = 0; rank < 4; rank++) {
      ranks.awaitOutput(rank, text, BOUND);
    }
  }

  private static void awaitSuccess(RankProcesses ranks) throws Exception {
    ranks.awaitSuccess(BOUND);
    System.out.print(ranks.output(0).indent(2));
  }
}
