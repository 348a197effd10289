package io.crossdock.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeFalse;

import io.crossdock.core.EngineInfo;
import io.crossdock.core.Engines;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/// Exit codes and messages of command lines that start no rank.
class MainTest {
  @TempDir private Path folder;

  @ParameterizedTest
  @ValueSource(strings = {"--help", "--version", "bench --help", "replay --help", "launch --help"})
  void helpAndVersionAreDone(String line) {
    CommandRun run = CommandRun.of(CommandRun.split(line));
    assertThat(run.code()).isZero();
    assertThat(run.out()).contains("crossdock");
    assertThat(run.err()).isEmpty();
  }

  @Test
  void theVersionSaysWhichJavaRuns() {
    assertThat(CommandRun.of("--version").out())
        .contains("crossdock " + Version.text())
        .contains("Java " + Runtime.version());
    assertThat(Version.text()).isNotBlank();
  }

  @Test
  void workersAreNotShown() {
    assertThat(CommandRun.of("--help").out()).doesNotContain("worker").contains("Exit codes: 0");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        "nonsense",
        "bench",
        "replay",
        "launch",
        "launch -n 0 -- true",
        "launch -n x -- true",
        "launch -n 2",
        "bench intranode --unknown",
        "bench intranode --ranks many",
        "bench intranode --ranks",
        "bench intranode --dtype fp16",
        "bench intranode --launch fibres",
        "bench intranode extra",
        "replay FILE --placement elsewhere",
        "replay FILE --expert none",
        "replay FILE --hook --hook",
        "demo --tokens 5",
        "doctor extra"
      })
  void badUsageIsTwoAndPointsToTheHelp(String line) {
    CommandRun run = CommandRun.of(CommandRun.split(line));
    assertThat(run.code()).isEqualTo(2);
    assertThat(run.err()).startsWith("crossdock: ").contains("--help");
    assertThat(run.out()).isEmpty();
  }

  @ParameterizedTest
  @CsvSource({
    "bench nonsense, 'bench=nonsense, known=[intranode'",
    "bench intranode --ranks 0, ranks=0",
    "bench intranode --tokens 0, tokens=0",
    "bench intranode --iterations 0, iterations=0",
    "bench intranode --hidden 12, hidden=12",
    "bench intranode --hidden 72 --dtype fp8, hidden=72",
    "bench intranode --topk 33, topk=33",
    "bench intranode --experts 66, 'numExperts=66, numRanks=4'",
    "bench intranode --groups 7, numGroups=7",
    "bench intranode --skew zipf:x, skew=zipf:x",
    "bench low-latency --nodes 0, nodes=0",
    "bench intranode --nodes 2, 'bench=intranode, nodes=2'",
    "bench internode --nodes 1, 'bench=internode, nodes=1'",
    "bench internode --peer mpi, 'bench=internode, peer=mpi'",
    "bench intranode --peer ucx, 'bench=intranode, peer=ucx'",
    "bench internode --network-chunk-rows 0, networkChunkRows=0",
    "bench intranode --network-chunk-rows 8, --network-chunk-rows needs bench internode",
    "bench low-latency --network-chunk-rows 8, --network-chunk-rows",
    "bench intranode --hook --logfmt, '--logfmt, --hook needs bench low-latency'",
    "bench low-latency --peer mpi, --peer",
    "bench low-latency --tokens 0, tokens=0",
    "bench low-latency --trace FILE, --trace needs --overlap",
    "bench low-latency --overlap --compute -1, compute=-1",
    "bench low-latency --overlap --uneven 101, uneven=101",
    "bench low-latency --floor --overlap, --floor does not go with --overlap",
    "bench low-latency --floor --dtype bf16 --hidden 72, hidden=72",
    "bench intranode --floor, '--floor needs bench low-latency: bench=intranode'",
    "bench internode --overlap, '--overlap needs bench low-latency: bench=internode'",
    "bench low-latency --hidden 72, hidden=72",
    "bench low-latency --experts 66, 'numExperts=66, numRanks=4'",
    "bench intranode --timeout 0, timeout=0",
    "demo --iterations 0, iterations=0",
    "demo --ranks 0, numRanks=0",
    "demo --ranks -1, numRanks=-1",
    "demo --ranks 3, numRanks=3",
    "replay /no/such/file, file=/no/such/file",
    "replay FILE --mode fast, mode=fast",
    "replay FILE --hook, mode=normal",
    "replay FILE --round-scale --ue8m0 --logfmt, mode=normal",
    "replay FILE --mode low-latency --placement borrowed, --placement needs --mode normal",
    "replay FILE --mode low-latency --cached --bias 1, '--cached, --bias needs --mode normal'",
    "replay FILE --mode low-latency --worst-tokens 3, mode=low-latency",
    "replay FILE --mode low-latency --alignment 1, mode=low-latency",
  })
  void badInputIsTwoAndTellsTheFact(String line, String fact) {
    CommandRun run = CommandRun.of(CommandRun.split(line));
    assertThat(run.code()).isEqualTo(2);
    assertThat(run.err()).contains("crossdock: ").contains(fact).doesNotContain("\tat ");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "bench internode",
        "bench low-latency --nodes 2",
        "bench low-latency --overlap --nodes 4",
        "demo --nodes 2"
      })
  void withoutTransportBetweenNodesIsFourAndSaysWhy(String line) {
    CommandRun run = CommandRun.of(CommandRun.split(line + " --transport pigeons"));
    assertThat(run.code()).isEqualTo(4);
    assertThat(run.err())
        .contains("transport pigeons")
        .contains("reasons=[this build has no such transport: known=[");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "bench intranode --transport pigeons",
        "bench low-latency --nodes 1 --transport ucx",
        "replay FILE --transport ucx"
      })
  void aTransportWithoutNodesIsBadInput(String line) {
    CommandRun run = CommandRun.of(CommandRun.split(line));
    assertThat(run.code()).isEqualTo(2);
    assertThat(run.err())
        .contains("one node has no transport between nodes: transport=")
        .contains("nodes=1, remedy=--nodes");
    assertThat(run.out()).isEmpty();
  }

  /// It shows two nodes besides the one, and says why not.
  @Test
  void theDemoTakesATransportWithOneNode() {
    CommandRun run =
        CommandRun.of(CommandRun.split("demo --launch threads --iterations 1 --transport pigeons"));
    assertThat(run.code()).as(run.err()).isZero();
    assertThat(run.out()).contains("two nodes: not shown, reasons=[this build has no such");
  }

  @ParameterizedTest
  @CsvSource({
    "bench internode --nodes 3, 'ranks=4, nodes=3'",
    "bench internode --ranks 6 --experts 66 --nodes 4, 'ranks=6, nodes=4'",
    "bench low-latency --nodes 3, 'ranks=4, nodes=3'",
    "demo --nodes 8, 'ranks=4, nodes=8'",
    "launch -n 5 --nodes 2 -- true, 'ranks=5, nodes=2'",
    "launch -n 5 --nodes 0 -- true, 'ranks=5, nodes=0'",
  })
  void nodesOfDifferentSizesAreBadInput(String line, String fact) {
    CommandRun run = CommandRun.of(CommandRun.split(line));
    assertThat(run.code()).isEqualTo(2);
    assertThat(run.err()).contains("ranks do not split into nodes of equal size: " + fact);
    assertThat(run.out()).isEmpty();
  }

  @Test
  void anEngineOfOneNodeIsNotTakenForSeveral() {
    CommandRun run = CommandRun.of("demo", "--nodes", "2", "--engine", "cuda");
    assertThat(run.code()).isEqualTo(4);
    assertThat(run.err()).contains("engine=cuda").contains("this engine runs on one node: nodes=2");
  }

  @ParameterizedTest
  @ValueSource(strings = {"demo", "bench intranode --flush-l2 --graph", "replay FILE"})
  void withoutGpuTheCudaEngineIsFourAndSaysAllReasons(String line) {
    EngineInfo cuda = cuda();
    assumeFalse(cuda.isAvailable(), "there is a GPU");
    CommandRun run = CommandRun.of(CommandRun.split(line + " --engine cuda"));
    assertThat(run.code()).isEqualTo(4);
    assertThat(run.err()).contains("engine=cuda").contains("reasons=[").contains(cuda.reasons());
    assertThat(run.out()).isEmpty();
  }

  private static EngineInfo cuda() {
    return Engines.list().stream()
        .filter(info -> info.name().equals("cuda"))
        .findFirst()
        .orElseThrow();
  }

  @ParameterizedTest
  @ValueSource(strings = {"--flush-l2", "--graph"})
  void whatNeedsGpuIsRefusedOnTheHost(String option) {
    CommandRun run = CommandRun.of("bench", "intranode", "--engine", "host", option);
    assertThat(run.code()).isEqualTo(2);
    assertThat(run.err()).contains("need a GPU").contains("engine=host");
  }

  @Test
  void debugPrintsTheTraceWhereverItStands() {
    CommandRun first = CommandRun.of("--debug", "bench", "nonsense");
    CommandRun last = CommandRun.of("bench", "nonsense", "--debug");
    assertThat(first.code()).isEqualTo(2);
    assertThat(first.err()).contains("InvalidInputException").contains("\tat ");
    assertThat(last.err()).contains("\tat ");
  }

  @Test
  void autoSaysOnceWhatItChose() {
    CommandRun run = CommandRun.of("replay", folder.resolve("none").toString());
    assertThat(run.code()).isEqualTo(2);
    assertThat(run.err().lines().filter(line -> line.startsWith("engine="))).hasSize(1);
  }

  @Test
  void doctorSaysWhatWorksAndWhatDoesNot() {
    CommandRun run = CommandRun.of("doctor");
    assertThat(run.code()).isZero();
    assertThat(run.out())
        .containsPattern("engine host +works")
        .containsPattern(cuda().isAvailable() ? "engine cuda +works" : "engine cuda +cannot run: ")
        .containsPattern("  cuda +kernels of this build: ")
        .containsPattern("shared memory +/dev/shm, \\d+ MiB usable")
        .containsPattern("cores +\\d+ usable")
        .containsPattern("locked memory +\\S+")
        .containsPattern("transport \\S+ +(works|cannot run: |nodes +not in this build)");
  }
}
