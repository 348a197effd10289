package io.crossdock.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(120)
class LaunchCommandTest {
  @Test
  void eachRankGetsItsPlaceAndTheSameRendezvous() {
    String print = "echo $RANK/$WORLD_SIZE $LOCAL_RANK/$LOCAL_WORLD_SIZE $MASTER_ADDR $MASTER_PORT";
    CommandRun run = launch(3, print + " ${#CROSSDOCK_SECRET}");
    assertThat(run.code()).isZero();
    List<String> lines = run.out().lines().sorted().toList();
    assertThat(lines).hasSize(3);
    String port = lines.getFirst().split(" ", -1)[5];
    for (int rank = 0; rank < 3; rank++) {
      String expected = "[rank %d] %d/3 %d/3 127.0.0.1 %s 64".formatted(rank, rank, rank, port);
      assertThat(lines.get(rank)).isEqualTo(expected);
    }
  }

  @Test
  void ranksOfNodesCountWithinTheirNode() {
    String print = "echo $RANK/$WORLD_SIZE $LOCAL_RANK/$LOCAL_WORLD_SIZE";
    CommandRun run = CommandRun.of("launch", "-n", "6", "--nodes", "2", "--", "sh", "-c", print);
    assertThat(run.code()).isZero();
    assertThat(run.out().lines().sorted())
        .containsExactly(
            "[rank 0] 0/6 0/3",
            "[rank 1] 1/6 1/3",
            "[rank 2] 2/6 2/3",
            "[rank 3] 3/6 0/3",
            "[rank 4] 4/6 1/3",
            "[rank 5] 5/6 2/3");
  }

  @Test
  void everyJobHasAnotherSecret() {
    String first = launch(1, "echo $CROSSDOCK_SECRET").out();
    String second = launch(1, "echo $CROSSDOCK_SECRET").out();
    assertThat(first).isNotEqualTo(second);
  }

  @Test
  void theExitCodeIsThatOfTheFirstRankThatFails() {
    // Rank 0 outlives rank 1 by far, and is ended.
    CommandRun run = launch(2, "if [ $RANK = 1 ]; then exit 7; else exec sleep 100; fi");
    assertThat(run.code()).isEqualTo(7);
  }

  @Test
  void outputOfBothKindsIsToldApartByRank() {
    CommandRun run = launch(2, "echo out$RANK; echo err$RANK >&2");
    assertThat(run.out().lines())
        .contains("[rank 0] out0", "[rank 0] err0", "[rank 1] out1", "[rank 1] err1");
  }

  @Test
  void argumentsAreHandedOnAsTheyAre() {
    CommandRun run = CommandRun.of("launch", "-n", "1", "--", "printf", "%s|", "a b", "--json", "");
    assertThat(run.out()).isEqualTo("[rank 0] a b|--json||\n");
  }

  @Test
  void aJobThatTakesTooLongIsEnded() {
    CommandRun run = CommandRun.of("launch", "-n", "2", "--timeout", "1", "--", "sleep", "100");
    assertThat(run.code()).isEqualTo(5);
    assertThat(run.err()).contains("timeoutMs=1000");
    for (ProcessHandle child : ProcessHandle.current().children().toList()) {
      if (isSleep(child.info())) {
        assertThat(child.onExit()).succeedsWithin(Duration.ofSeconds(10));
      }
    }
  }

  @Test
  void aProgramThatDoesNotExistIsBadInput() {
    CommandRun run = CommandRun.of("launch", "-n", "2", "--", "/no/such/program");
    assertThat(run.code()).isEqualTo(2);
    assertThat(run.err()).contains("command=/no/such/program");
  }

  private static boolean isSleep(ProcessHandle.Info info) {
    return info.command().map(command -> command.endsWith("/sleep")).orElse(false);
  }

  private static CommandRun launch(int numRanks, String script) {
    String[] options = {"launch", "-n", Integer.toString(numRanks), "--", "sh", "-c"};
    return CommandRun.of(
        Stream.concat(Arrays.stream(options), Stream.of(script)).toArray(String[]::new));
  }
}
