package io.crossdock.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowable;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.fasterxml.jackson.databind.JsonNode;
import io.crossdock.core.EngineUnavailableException;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class MpiPeerTest {
  private static final Duration TIMEOUT = Duration.ofMinutes(2);
  private static final Path HOME = Path.of("").toAbsolutePath().getParent();
  private static final String PATH = System.getenv("PATH");
  private static final String LINE =
      """
      {"ranks":3,"tokens":13,"hidden":1032,"experts":9,"topk":5,"iterations":4,"seed":-7,"rows":115,\
      "dispatch_us_median":40.5,"dispatch_us_p99":45.25,"combine_us_median":29.125,\
      "combine_us_p99":30.5,"copy_gbps_dispatch":1.5,"copy_gbps_combine":2.5,"checked":true,\
      "mpi":"Open MPI v4.1.4"}
      """;

  @TempDir private Path folder;

  private static BenchTask task(int tokens, int hidden, int experts, int topk) {
    return new BenchTask(
        "host",
        tokens,
        hidden,
        experts,
        topk,
        0,
        "uniform",
        ReplayTask.RowType.bf16,
        0,
        4,
        true,
        -7,
        BenchTask.GpuOptions.DEFAULT,
        BenchTask.NetworkOptions.DEFAULT);
  }

  @Test
  void readsEveryFieldOfTheReport() {
    assertThat(PeerReport.parse("a word of mpirun\n" + LINE))
        .isEqualTo(
            new PeerReport(
                3,
                13,
                1032,
                9,
                5,
                4,
                -7,
                115,
                40.5,
                45.25,
                29.125,
                30.5,
                1.5,
                2.5,
                true,
                "Open MPI v4.1.4"));
  }

  @ParameterizedTest
  @ValueSource(strings = {"\"combine_us_p99\":30.5,", "\"seed\":-7,", "\"checked\":true,"})
  void refusesReportWithoutField(String field) {
    String output = LINE.replace(field, "");
    assertThat(output).isNotEqualTo(LINE);
    assertThatThrownBy(() -> PeerReport.parse(output))
        .isInstanceOf(WorkerFailure.class)
        .hasMessageContaining("cannot be read")
        .hasMessageContaining(field.substring(1, field.indexOf('"', 1)));
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "no json\n", "{\"ranks\":3", LINE_AND_MORE})
  void refusesOutputThatIsNoReport(String output) {
    assertThatThrownBy(() -> PeerReport.parse(output)).isInstanceOf(WorkerFailure.class);
  }

  private static final String LINE_AND_MORE = "{\"ranks\":3}\n{\"ranks\":3}\n";

  @Test
  void refusesUncheckedReport() {
    assertThatThrownBy(() -> PeerReport.parse(LINE.replace("true", "false")))
        .isInstanceOf(VerificationException.class);
  }

  @Test
  void refusesReportOfAnotherJob() {
    PeerReport report = PeerReport.parse(LINE);
    report.checkJob(task(13, 1032, 9, 5), 3);
    assertThatThrownBy(() -> report.checkJob(task(13, 1032, 9, 4), 3))
        .isInstanceOf(VerificationException.class);
    assertThatThrownBy(() -> report.checkJob(task(13, 1032, 9, 5), 9))
        .isInstanceOf(VerificationException.class);
  }

  private static Summary summary(long rowBytes, PeerReport... runs) {
    double[] ours = {10, 10, 10, 10};
    BenchTask.Report report =
        SummaryTest.hostReport(
            new BenchTask.Rows(1, 1, 1, rowBytes),
            SummaryTest.hostTimes(ours, ours, ours, ours, ours));
    return new Summary(task(13, 1032, 9, 5), List.of(report), List.of(runs));
  }

  @Test
  void fasterOfTwoRunsCounts() {
    PeerReport other = PeerReport.parse(LINE.replace("40.5", "80").replace("29.125", "20"));
    Summary summary = summary(1, PeerReport.parse(LINE), other);
    assertThat(summary.dispatchSpeedup(BenchPhase.DISPATCH_BORROWED)).isEqualTo(4.05);
    assertThat(summary.combineSpeedup(BenchPhase.COMBINE_ZERO_COPY)).isEqualTo(2.0);
    JsonNode document = Json.tree(new BenchJson(summary, LaunchMode.threads, List.of(1L)).toMap());
    assertThat(document.at("/peer/runs/1/dispatch_us_median").asDouble()).isEqualTo(80);
    assertThat(document.at("/peer/speedup/combine_staged").asDouble()).isEqualTo(2.0);
    assertThat(table(summary)).contains("vs Open MPI: dispatch 4.05x, combine 2.00x (borrowed");
  }

  @Test
  void saysWhenTheMachineWasNotEquallyFree() {
    PeerReport run = PeerReport.parse(LINE.replace("combine\":2.5", "combine\":0.2064"));
    assertThat(table(summary(15_000, run))).doesNotContain("do not trust");
    assertThat(table(summary(30_000, run))).contains("memcpy had 50 % of its speed beside us");
    assertThat(table(summary(7_500, run))).contains("memcpy had 200 % of its speed beside us");
  }

  private static String table(Summary summary) {
    StringWriter table = new StringWriter();
    BenchTable.print(summary, new PrintWriter(table));
    return table.toString();
  }

  @Test
  void namesThePackagesOfMissingTools() {
    Throwable failure = catchThrowable(() -> MpiPeer.build(HOME, folder.toString(), folder));
    assertThat(failure)
        .isInstanceOf(EngineUnavailableException.class)
        .hasMessageContaining("tools=[mpicc, mpirun]")
        .hasMessageContaining("openmpi-bin libopenmpi-dev");
    assertThat(ExitCode.of(failure)).isEqualTo(ExitCode.NOT_AVAILABLE);
  }

  @Test
  void namesTheMissingSource() {
    assertThatThrownBy(() -> MpiPeer.build(folder, PATH, folder))
        .isInstanceOf(EngineUnavailableException.class)
        .hasMessageContaining(folder.resolve("verify/peers/moe_alltoallv.c").toString());
  }

  @ParameterizedTest
  @ValueSource(strings = {"--dtype=fp8", "--skew=zipf:1", "--groups=3"})
  void refusesWhatThePeerCannotDo(String option) {
    assertThat(
            Main.run(
                "bench",
                "intranode",
                "--peer=mpi",
                "--experts=9",
                "--ranks=3",
                "--topk=2",
                "--hidden=128",
                "--tokens=4",
                option))
        .isEqualTo(ExitCode.BAD_INPUT.code);
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 2, 3})
  void buildsChecksAndMeasures(int numRanks) {
    MpiPeer peer = buildPeer();
    BenchTask task = task(13, 1032, 6, 5);
    PeerReport report = peer.run(task, numRanks, TIMEOUT);
    assertThat(report.rows()).isBetween(13L * numRanks, 13L * numRanks * numRanks);
    assertThat(report.dispatchUsMedian()).isPositive().isLessThanOrEqualTo(report.dispatchUsP99());
    assertThat(report.combineUsMedian()).isPositive().isLessThanOrEqualTo(report.combineUsP99());
    assertThat(report.copyGbpsDispatch()).isPositive();
    assertThat(report.copyGbpsCombine()).isPositive();
    assertThat(report.seed()).isEqualTo(-7);
  }

  @Test
  void passesOnWhatThePeerRefuses() {
    MpiPeer peer = buildPeer();
    Throwable failure = catchThrowable(() -> peer.run(task(13, 1032, 8, 5), 3, TIMEOUT));
    assertThat(failure)
        .isInstanceOf(WorkerFailure.class)
        .hasMessageContaining("ranks do not divide experts: ranks=3, experts=8");
    assertThat(ExitCode.of(failure)).isEqualTo(ExitCode.BAD_INPUT);
  }

  private MpiPeer buildPeer() {
    try {
      return MpiPeer.build(HOME, PATH, folder);
    } catch (EngineUnavailableException e) {
      assumeTrue(!e.getMessage().contains("not on the path"), "no Open MPI: " + e.getMessage());
      throw e;
    }
  }

  @Test
  void endsProgramThatTakesTooLong() throws IOException {
    Path pid = folder.resolve("pid");
    Duration timeout = Duration.ofSeconds(2);
    List<String> command = List.of("sh", "-c", "echo $$ > " + pid + "; exec sleep 600");
    assertThatThrownBy(() -> new ToolRun(folder).run(command, timeout))
        .isInstanceOf(WorkerFailure.class)
        .hasMessageContaining("timeoutMs=2000");
    long ended = Long.parseLong(Files.readString(pid).strip());
    assertThat(ProcessHandle.of(ended).map(ProcessHandle::isAlive).orElse(false)).isFalse();
  }

  @Test
  void keepsOutputAndExitCode() {
    List<String> command = List.of("sh", "-c", "echo one; echo two >&2; exit 7");
    assertThat(new ToolRun(folder).run(command, TIMEOUT))
        .isEqualTo(new ToolRun.Output(7, "one\n", "two\n"));
  }
}
