package io.crossdock.verify.network;

import static org.assertj.core.api.Assertions.assertThat;

import io.crossdock.verify.faults.JoinMain;
import io.crossdock.verify.harness.RankProcesses;
import io.crossdock.verify.harness.ShmFolder;
import io.crossdock.verify.harness.Tool;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/// Who comes late, never, or uninvited.
@RequiresNodes
class StrangerTest {
  private static final Duration BOUND = Duration.ofSeconds(90);
  private static final String LISTENS = "0A";

  @TempDir private Path folder;

  @ParameterizedTest(name = "seed {0}")
  @MethodSource("io.crossdock.verify.network.Stories#seeds")
  void lateRank(long seed) throws Exception {
    Stories.begin("lateRank", seed);
    try (TwoNodes nodes = TwoNodes.open(TwoNodes.Link.VETH, seed);
        ShmFolder shm = ShmFolder.create();
        RankProcesses ranks =
            nodes
                .launch(2)
                .jvmOption(shm.jvmOption())
                .start(SteadyBody.class, "NORMAL", "10", "3", "3000")) {
      ranks.awaitSuccess(BOUND);
      assertThat(shm.files()).isEmpty();
    }
  }

  @ParameterizedTest(name = "seed {0}")
  @MethodSource("io.crossdock.verify.network.Stories#seeds")
  void rankThatNeverComes(long seed) throws Exception {
    Stories.begin("rankThatNeverComes", seed);
    String[] missing = {"PeerMissingException", "PeerMissingException", "PeerMissingException"};
    try (TwoNodes nodes = TwoNodes.open(TwoNodes.Link.VETH, seed);
        RankProcesses ranks =
            nodes
                .launch(2)
                .startOnly(3)
                .environment("CROSSDOCK_TIMEOUT_SECONDS", "10")
                .startMain(JoinMain.class, missing)) {
      ranks.awaitSuccess(BOUND);
      for (int rank = 0; rank < 3; rank++) {
        assertThat(ranks.output(rank)).contains("missing=[3]");
      }
    }
  }

  @ParameterizedTest(name = "seed {0}")
  @MethodSource("io.crossdock.verify.network.Stories#seeds")
  void rankWithoutTheSecret(long seed) throws Exception {
    Stories.begin("rankWithoutTheSecret", seed);
    String[] outcomes = {
      "PeerMissingException", "PeerMissingException", "PeerMissingException", "GroupSecretException"
    };
    try (TwoNodes nodes = TwoNodes.open(TwoNodes.Link.VETH, seed);
        RankProcesses ranks =
            nodes
                .launch(2)
                .environment("CROSSDOCK_TIMEOUT_SECONDS", "10")
                .environmentOf(3, "CROSSDOCK_SECRET", "f".repeat(32))
                .startMain(JoinMain.class, outcomes)) {
      ranks.awaitSuccess(BOUND);
      assertThat(ranks.output(0)).contains("missing=[3]").contains("peersWithWrongSecret=");
    }
  }

  static Stream<Arguments> kinds() {
    return Stories.each(List.of(Arguments.of("NORMAL"), Arguments.of("LOW_LATENCY")));
  }

  /// Bytes at random, from the other node, to every port that ranks listen at.
  @ParameterizedTest(name = "{0}, seed {1}")
  @MethodSource("kinds")
  void junkForEveryPort(String kind, long seed) throws Exception {
    Stories.begin("junkForEveryPort " + kind, seed);
    Path end = folder.resolve("end");
    try (TwoNodes nodes = TwoNodes.open(TwoNodes.Link.VETH, seed);
        ShmFolder shm = ShmFolder.create();
        RankProcesses ranks =
            nodes
                .launch(1)
                .jvmOption(shm.jvmOption())
                .start(SteadyBody.class, kind, "" + end, "-1", "0")) {
      ranks.awaitOutput(0, SteadyBody.RUNNING, BOUND);
      ranks.awaitOutput(1, SteadyBody.RUNNING, BOUND);
      for (int node = 0; node < 2; node++) {
        System.out.print(visit(nodes, node, seed));
      }
      assertThat(ranks.process(0).isAlive() && ranks.process(1).isAlive()).isTrue();
      Files.createFile(end);
      ranks.awaitSuccess(BOUND);
      assertThat(shm.files()).isEmpty();
    }
  }

  private static String visit(TwoNodes nodes, int node, long seed) {
    Set<Integer> ports = listening(nodes, node);
    assertThat(ports).as("listening ports of node %d", node).isNotEmpty();
    List<String> command = new ArrayList<>(nodes.on(1 - node));
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.addAll(List.of("-cp", System.getProperty("java.class.path")));
    command.addAll(List.of(StrangerMain.class.getName(), TwoNodes.address(node), "" + seed, "40"));
    ports.forEach(port -> command.add(port.toString()));
    String said = Tool.outputOf(command);
    assertThat(said).contains("connected=").doesNotContain("connected=0");
    return said;
  }

  /// {@return ports that processes of a node listen at, IPv6 sockets included}
  private static Set<Integer> listening(TwoNodes nodes, int node) {
    List<String> command = new ArrayList<>(nodes.on(node));
    command.addAll(List.of("sh", "-c", "cat /proc/net/tcp /proc/net/tcp6"));
    Set<Integer> ports = new TreeSet<>();
    for (String line : Tool.outputOf(command).lines().toList()) {
      String[] fields = line.strip().split("\\s+", -1);
      if (fields.length > 3 && fields[3].equals(LISTENS)) {
        String local = fields[1];
        ports.add(Integer.parseInt(local.substring(local.lastIndexOf(':') + 1), 16));
      }
    }
    return ports;
  }
}
