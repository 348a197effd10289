package io.crossdock.verify.network;

import static org.assertj.core.api.Assertions.assertThat;

import io.crossdock.verify.harness.RankProcesses;
import io.crossdock.verify.harness.Tool;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/// The nodes themselves: what the link lets through, what it does to it, and that nothing is left.
class TwoNodesTest {
  private static final Duration BOUND = Duration.ofSeconds(60);
  private static final long SEED = Long.getLong("crossdock.seed", 7);

  private static RankProcesses echo(TwoNodes nodes, int times, int bytes, int leastMillis)
      throws IOException {
    return nodes.launch(1).startMain(EchoMain.class, "" + times, "" + bytes, "" + leastMillis);
  }

  @ParameterizedTest
  @EnumSource(TwoNodes.Link.class)
  void carriesEveryByte(TwoNodes.Link link) throws Exception {
    try (TwoNodes nodes = TwoNodes.open(link, SEED);
        RankProcesses ranks = echo(nodes, 20, 100_000, 0)) {
      ranks.awaitSuccess(BOUND);
      for (int node = 0; node < 2; node++) {
        assertThat(nodes.sentBytes(node)).isBetween(2_000_000L, 2_400_000L);
        assertThat(nodes.receivedBytes(node)).isBetween(2_000_000L, 2_400_000L);
      }
    }
  }

  @Test
  void carriesIpv6() throws Exception {
    Assumptions.assumeTrue(TwoNodes.hasIpv6(), "no IPv6 here");
    try (TwoNodes nodes = TwoNodes.open(TwoNodes.Link.VETH, SEED);
        RankProcesses ranks =
            nodes
                .launch(1)
                .environment("MASTER_ADDR", TwoNodes.address6(0))
                .startMain(EchoMain.class, "20", "1000", "0")) {
      ranks.awaitSuccess(BOUND);
    }
  }

  @Test
  void delays() throws Exception {
    try (TwoNodes nodes = TwoNodes.open(TwoNodes.Link.CABLE, SEED)) {
      nodes.cable().set(LinkWeather.FAIR.delayed(5));
      try (RankProcesses ranks = echo(nodes, 50, 1000, 10)) {
        ranks.awaitSuccess(BOUND);
      }
    }
  }

  @Test
  void losesAndReorders() throws Exception {
    try (TwoNodes nodes = TwoNodes.open(TwoNodes.Link.CABLE, SEED)) {
      nodes.cable().set(LinkWeather.FAIR.lossy(20).reordered(2));
      try (RankProcesses ranks = echo(nodes, 20, 100_000, 0)) {
        ranks.awaitSuccess(BOUND);
      }
      for (int node = 0; node < 2; node++) {
        long lost = nodes.cable().lost(node);
        long sent = lost + nodes.cable().passed(node);
        assertThat(lost * 1000.0 / sent).as("lost of 1000, seed=%d", SEED).isBetween(10.0, 30.0);
      }
    }
  }

  @Test
  void goesSlowly() throws Exception {
    try (TwoNodes nodes = TwoNodes.open(TwoNodes.Link.CABLE, SEED)) {
      nodes.cable().set(0, LinkWeather.FAIR.throttled(1_000_000));
      try (RankProcesses ranks = echo(nodes, 2, 1_000_000, 800)) {
        ranks.awaitSuccess(BOUND);
      }
    }
  }

  @Test
  void isCutForAWhile() throws Exception {
    try (TwoNodes nodes = TwoNodes.open(TwoNodes.Link.CABLE, SEED);
        RankProcesses ranks = echo(nodes, 20_000, 100, 0)) {
      ranks.awaitOutput(1, EchoMain.READY, BOUND);
      nodes.cable().set(LinkWeather.CUT);
      long before = nodes.cable().passed(0);
      TimeUnit.MILLISECONDS.sleep(500);
      assertThat(nodes.cable().passed(0) - before).isLessThan(2);
      assertThat(ranks.process(1).isAlive()).isTrue();
      nodes.cable().set(LinkWeather.FAIR);
      ranks.awaitSuccess(BOUND);
    }
  }

  @ParameterizedTest
  @EnumSource(TwoNodes.Link.class)
  void leavesNothing(TwoNodes.Link link) throws Exception {
    List<String> before = seen();
    try (TwoNodes nodes = TwoNodes.open(link, SEED);
        TwoNodes others = TwoNodes.open(link, SEED);
        RankProcesses ranks = echo(nodes, 20_000, 100, 0);
        RankProcesses otherRanks = echo(others, 20_000, 100, 0)) {
      ranks.awaitOutput(1, EchoMain.READY, BOUND);
      otherRanks.awaitOutput(1, EchoMain.READY, BOUND);
      assertThat(seen()).hasSize(before.size() + 4);
      ranks.process(1).destroyForcibly();
    }
    assertThat(seen()).isEqualTo(before);
  }

  /// {@return interfaces of this process's namespace, and namespaces of this process}
  private static List<String> seen() throws IOException {
    String mine = "crossdock-" + ProcessHandle.current().pid() + "-";
    Stream<String> interfaces = Tool.outputOf(List.of("ip", "-o", "link")).lines();
    try (Stream<Path> namespaces = Files.list(Path.of("/run/netns"))) {
      return Stream.concat(
              interfaces.map(line -> line.split(":", -1)[1]),
              namespaces.map(path -> path.getFileName().toString()).filter(n -> n.startsWith(mine)))
          .sorted()
          .toList();
    }
  }
}
