package io.crossdock.core.group;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// Groups from variables, up to real processes.
@Timeout(value = 120, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class ProcessGroupsTest {
  private final List<Process> processes = new ArrayList<>();

  @AfterEach
  void killAll() throws Exception {
    for (Process process : processes) {
      process.destroyForcibly();
      assertThat(process.waitFor(Ranks.AMPLE.toSeconds(), TimeUnit.SECONDS)).isTrue();
    }
    Ranks.assertNoThreads();
  }

  private static Map<String, String> variables(int rank, int port) {
    return Map.of(
        "RANK", Integer.toString(rank),
        "WORLD_SIZE", "3",
        "LOCAL_RANK", Integer.toString(rank),
        "LOCAL_WORLD_SIZE", "3",
        "MASTER_PORT", Integer.toString(port),
        "CROSSDOCK_SECRET", "5ec2e7".repeat(8),
        "CROSSDOCK_TIMEOUT_SECONDS", Long.toString(Ranks.AMPLE.toSeconds()));
  }

  @Test
  void noRankIsAGroupOfOneWithoutSecretOrSocket() {
    try (ProcessGroup alone =
        ProcessGroups.fromEnvironment(Map.of("CROSSDOCK_TIMEOUT_SECONDS", "9"))) {
      assertThat(alone.size()).isOne();
      assertThat(alone.localSize()).isOne();
      assertThat(alone.name()).isEqualTo("in-process");
      assertThat(alone.timeout()).isEqualTo(Duration.ofSeconds(9));
      alone.barrier();
    }
  }

  @Test
  void severalRanksNeedASecret() {
    var variables =
        Map.of("RANK", "1", "WORLD_SIZE", "2", "LOCAL_RANK", "1", "LOCAL_WORLD_SIZE", "2");
    assertThatThrownBy(() -> ProcessGroups.fromEnvironment(variables))
        .isInstanceOf(GroupSecretException.class);
  }

  /// The body of a rank in its own process: tells what it meets.
  static final class RankProcess {
    private RankProcess() {}

    /// Joins and enters a barrier when its input ends.
    public static void main(String... args) throws IOException {
      try (ProcessGroup group = ProcessGroups.fromEnvironment()) {
        System.out.println("joined " + group.rank());
        System.in.readAllBytes();
        group.barrier();
      } catch (PeerLostException e) {
        System.out.println("lost " + e.peer());
      }
    }
  }

  private BufferedReader start(int rank, int port) throws IOException {
    var builder =
        new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-XX:TieredStopAtLevel=1",
                "-cp",
                System.getProperty("java.class.path"),
                RankProcess.class.getName())
            .redirectErrorStream(true);
    builder.environment().putAll(variables(rank, port));
    Process process = builder.start();
    processes.add(process);
    return new BufferedReader(
        new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8));
  }

  @Test
  void processThatIsKilledIsNamedByTheOthers() throws Exception {
    int port = Ranks.freePort();
    BufferedReader survivor = start(1, port);
    BufferedReader victim = start(2, port);
    try (ProcessGroup group = ProcessGroups.fromEnvironment(variables(0, port))) {
      assertThat(survivor.readLine()).isEqualTo("joined 1");
      assertThat(victim.readLine()).isEqualTo("joined 2");
      processes.getFirst().getOutputStream().close();
      processes.getLast().destroyForcibly();
      assertThatThrownBy(group::barrier)
          .isInstanceOfSatisfying(PeerLostException.class, e -> assertThat(e.peer()).isEqualTo(2));
      assertThat(survivor.readLine()).isEqualTo("lost 2");
    }
    assertThat(processes.getFirst().waitFor(Ranks.AMPLE.toSeconds(), TimeUnit.SECONDS)).isTrue();
  }
}
