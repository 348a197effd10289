package io.crossdock.verify.watch;

import static org.assertj.core.api.Assertions.assertThat;

import io.crossdock.cli.Main;
import io.crossdock.verify.harness.RankProcesses;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// `doctor --watch` over ranks that are processes of their own.
@Timeout(180)
class WaitWatchTest {
  private static final int SLOW = 1;
  private static final Duration BOUND = Duration.ofSeconds(60);

  @Test
  void theSlowRankIsNamedFirst() throws Exception {
    try (RankProcesses ranks =
        RankProcesses.start(3, SlowRankBody.class, List.of(Integer.toString(SLOW)))) {
      for (int rank = 0; rank < 3; rank++) {
        ranks.awaitOutput(rank, SlowRankBody.RUNNING, BOUND);
      }
      List<Long> pids = Stream.of(0, 1, 2).map(rank -> ranks.process(rank).pid()).toList();
      List<String[]> lines = watch().lines().map(line -> line.strip().split("\\s+")).toList();
      List<String[]> ours =
          lines.stream()
              .filter(cells -> pids.stream().anyMatch(pid -> cells[0].equals(pid.toString())))
              .toList();
      assertThat(ours).isNotEmpty();
      assertThat(ours.getFirst()[1]).as("rank").isNotEqualTo(Integer.toString(SLOW));
      assertThat(ours.getFirst()[2]).as("peer").isEqualTo(Integer.toString(SLOW));
      assertThat(Long.parseLong(ours.getFirst()[3])).as("waits").isPositive();
      assertThat(Double.parseDouble(ours.getFirst()[4])).as("median in us").isGreaterThan(5_000);
    }
  }

  private static String watch() {
    PrintStream before = System.out;
    ByteArrayOutputStream printed = new ByteArrayOutputStream();
    System.setOut(new PrintStream(printed, true, StandardCharsets.UTF_8));
    try {
      assertThat(Main.run("doctor", "--watch", "--seconds", "2")).isZero();
    } finally {
      System.setOut(before);
    }
    return printed.toString(StandardCharsets.UTF_8);
  }
}
