package io.crossdock.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.crossdock.core.InvalidInputException;
import io.crossdock.core.group.ProcessGroup;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(120)
class JobTest {
  private static final JobShape SHAPE =
      new JobShape(3, 1, LaunchMode.threads, null, Duration.ofSeconds(60));

  record Report(int rank, String file) {}

  /// Leaves a file, meets the others, and reports; one rank may fail instead.
  private record Meeting(int failingRank, RuntimeException failure) implements RankTask {
    @Override
    public Object run(ProcessGroup group, Path folder) {
      if (group.rank() == failingRank) {
        throw failure;
      }
      group.barrier();
      return new Report(group.rank(), folder.getFileName().toString());
    }
  }

  @Test
  void reportsComeByRankAndTheFolderGoes() {
    Path folder;
    try (Job job = new Job()) {
      folder = job.folder();
      List<Report> reports = job.run(new Meeting(-1, null), SHAPE, Report.class);
      assertThat(reports).extracting(Report::rank).containsExactly(0, 1, 2);
      assertThat(reports.get(2).file()).isEqualTo(folder.getFileName().toString());
      assertThat(job.pids()).hasSize(3).containsOnly(ProcessHandle.current().pid());
    }
    assertThat(Files.exists(folder)).isFalse();
  }

  @Test
  void theRankThatFailedIsToldNotThoseThatHeardOfIt() {
    check(new VerificationException("bytes differ: byte=5"), ExitCode.NOT_VERIFIED);
    check(new InvalidInputException("bad: x=1"), ExitCode.BAD_INPUT);
    check(new IllegalStateException("bug"), ExitCode.PEER_FAILED);
  }

  private static void check(RuntimeException failure, ExitCode code) {
    try (Job job = new Job()) {
      Meeting meeting = new Meeting(1, failure);
      assertThatThrownBy(() -> job.run(meeting, SHAPE, Report.class))
          .isInstanceOfSatisfying(
              WorkerFailure.class,
              e -> {
                assertThat(e.exitCode()).isEqualTo(code);
                assertThat(e.origin()).isEqualTo(WorkerFailure.Origin.OWN);
              })
          .hasMessageContaining("rank 1: ")
          .hasMessageContaining(failure.getMessage());
    }
  }
}
