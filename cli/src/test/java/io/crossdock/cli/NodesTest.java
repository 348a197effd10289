package io.crossdock.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.fasterxml.jackson.databind.JsonNode;
import io.crossdock.cli.safetensors.SafetensorsFile;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/// Commands whose ranks are on several nodes. Needs a transport between nodes.
@Timeout(300)
class NodesTest {
  private static final Recording RAGGED = new Recording(List.of(13, 0, 1, 9), 256, 4, 8, 20);
  private static final String SMALL =
      " --tokens 5 --hidden 256 --experts 8 --topk 3 --nodes 2 --iterations 2";

  @TempDir private Path folder;

  @BeforeAll
  static void needsTransport() {
    assumeTrue(
        NodeTransport.find(null).isPresent(), "no transport: " + NodeTransport.reasons(null));
  }

  static Stream<Arguments> normal() {
    return Stream.of(
        Arguments.of("--nodes 2"),
        Arguments.of("--nodes 4 --expert moe --zero-copy --repeat 2"),
        Arguments.of("--nodes 2 --dtype fp8 --expert moe --cached --placement owned"),
        Arguments.of("--nodes 2 --worst-tokens 64 --bias 2"),
        Arguments.of("--nodes 4 --dtype fp8 --alignment 16 --max-tokens 100"));
  }

  @ParameterizedTest
  @MethodSource
  void normal(String flags) {
    Path out = replay("--launch threads " + flags);
    try (SafetensorsFile file = SafetensorsFile.open(out)) {
      new ReplayExpectation(RAGGED, flags).check(file);
    }
  }

  @ParameterizedTest
  @CsvSource({
    "--nodes 2 --expert moe --hook --repeat 2",
    "--nodes 4 --dtype fp8 --expert moe --round-scale --ue8m0",
    "--nodes 2 --dtype fp8 --zero-copy --max-tokens 20",
    "--nodes 2 --expert moe --logfmt",
  })
  void lowLatencyGivesTheBytesOfOneNode(String flags) {
    Path out = replay("--mode low-latency --launch threads " + flags);
    try (SafetensorsFile file = SafetensorsFile.open(out)) {
      new LowLatencyExpectation(RAGGED, flags).check(file);
    }
  }

  @ParameterizedTest
  @CsvSource({"normal", "low-latency"})
  void ranksOfNodesAreProcessesOfTheirOwn(String mode) {
    Path json = folder.resolve("json");
    String flags = "--nodes 2 --expert moe";
    Path out = replay("--mode " + mode + " --json " + json + " " + flags);
    try (SafetensorsFile file = SafetensorsFile.open(out)) {
      if (mode.equals("normal")) {
        new ReplayExpectation(RAGGED, flags).check(file);
      } else {
        new LowLatencyExpectation(RAGGED, flags).check(file);
      }
    }
    JsonNode summary = Json.read(json, JsonNode.class);
    assertThat(summary.get("nodes").intValue()).isEqualTo(2);
    assertThat(summary.get("launch").textValue()).isEqualTo("processes");
    assertThat(summary.get("transport").textValue()).startsWith("shm, ");
  }

  /// Memory that only other nodes write is memory of the rank.
  @ParameterizedTest
  @CsvSource({"normal", "low-latency"})
  void windowBytesHaveWhatOtherNodesWrite(String mode) {
    assertThat(windowBytes(mode, 2)).isGreaterThan(windowBytes(mode, 1));
  }

  private long windowBytes(String mode, int nodes) {
    Path json = folder.resolve("json");
    replay("--mode " + mode + " --launch threads --json " + json + " --nodes " + nodes);
    return Json.read(json, JsonNode.class).get("window_bytes").longValue();
  }

  @Test
  void aRecordingThatDoesNotSplitIsBadInput() {
    Path in = RAGGED.write(folder.resolve("in"));
    CommandRun run = CommandRun.of("replay", in.toString(), "--nodes", "3");
    assertThat(run.code()).isEqualTo(2);
    assertThat(run.err()).contains("ranks=4, nodes=3");
  }

  private Path replay(String flags) {
    Path in = RAGGED.write(folder.resolve("in"));
    Path out = folder.resolve("out");
    List<String> arguments = new ArrayList<>(List.of("replay", in.toString(), "--out"));
    arguments.add(out.toString());
    arguments.addAll(List.of(CommandRun.split(flags)));
    CommandRun run = CommandRun.of(arguments.toArray(String[]::new));
    assertThat(run.code()).as(run.err()).isZero();
    return out;
  }

  @Test
  void normalModeIsMeasuredAgainstTheNetwork() {
    JsonNode document = bench("bench internode --groups 8 --network-chunk-rows 2");
    assertThat(document.get("mode").textValue()).isEqualTo("internode");
    assertThat(document.get("nodes").intValue()).isEqualTo(2);
    assertThat(document.get("verified").booleanValue()).isTrue();
    assertThat(document.at("/network/chunk_rows").intValue()).isEqualTo(2);
    assertThat(document.at("/network/groups/0/nodes").intValue()).isEqualTo(2);
    checkNetwork(document, "normal");
    double wire = document.at("/dispatch/gbps_wire").doubleValue();
    assertThat(wire).isPositive();
    long rows = document.at("/network/rows").longValue();
    long farRows = document.at("/network/far_rows").longValue();
    assertThat(farRows).isPositive().isLessThan(rows);
    assertThat(rows).isLessThanOrEqualTo(4L * 5 * 2);
    assertThat(document.at("/network/dispatch_bytes").longValue())
        .isGreaterThanOrEqualTo(farRows * 256 * 2);
  }

  @Test
  void lowLatencyModeIsMeasuredAgainstTheNetwork() {
    JsonNode document = bench("bench low-latency");
    assertThat(document.get("mode").textValue()).isEqualTo("low-latency");
    assertThat(document.get("nodes").intValue()).isEqualTo(2);
    checkNetwork(document, "lowLatency");
    assertThat(document.at("/sizes/0/network/rows").longValue()).isEqualTo(4 * 5 * 3);
    assertThat(document.at("/sizes/0/limit/network_us").doubleValue()).isPositive();
  }

  @Test
  void threadsOfOneProcessAreNodesToo() {
    assertThat(bench("bench internode --launch threads").get("launch").textValue())
        .isEqualTo("threads");
  }

  @ParameterizedTest
  @ValueSource(strings = {"--hook --zero-copy", "--hook --logfmt"})
  void variantsOfLowLatencyAreMeasuredAgainstTheNetwork(String flags) {
    JsonNode document = bench("bench low-latency --launch threads " + flags);
    checkNetwork(document, "lowLatency");
    assertThat(document.get("verified").booleanValue()).isTrue();
    assertThat(document.get("logfmt").booleanValue()).isEqualTo(flags.contains("logfmt"));
    assertThat(document.get("placement").textValue().contains("zero-copy"))
        .isEqualTo(flags.contains("zero-copy"));
    assertThat(document.at("/dispatch/us_send_median").doubleValue()).isPositive();
    assertThat(document.at("/combine/us_receive_median").doubleValue()).isPositive();
    assertThat(document.at("/sizes/0/late_peer/combine_send_us_median").doubleValue()).isPositive();
  }

  @Test
  void overlapTellsWhatIsBetweenTheNodes() {
    Path json = folder.resolve("json");
    CommandRun run =
        CommandRun.of(
            CommandRun.split(
                "bench low-latency --launch threads --overlap --compute 50"
                    + SMALL
                    + " --json "
                    + json));
    assertThat(run.code()).as(run.err()).isZero();
    JsonNode document = Json.read(json, JsonNode.class);
    String transport = document.get("transport").textValue();
    assertThat(transport).startsWith("shm, ").contains("mode=lowLatency");
    assertThat(run.out()).contains("2 nodes, " + transport, "without hooks", "with hooks");
    assertThat(document.get("nodes").intValue()).isEqualTo(2);
    assertThat(document.at("/host/ucx").textValue()).isEqualTo(NodeTransport.ucx()).isNotBlank();
    assertThat(document.at("/overlap/hooked_exposed_us").doubleValue()).isPositive();
  }

  @Test
  void demoShowsItsRanksAsTwoNodes() {
    CommandRun run = CommandRun.of(CommandRun.split("demo --iterations 2 --launch threads"));
    assertThat(run.code()).as(run.err()).isZero();
    List<String> lines = run.out().lines().toList();
    List<String> titles =
        lines.stream().filter(line -> line.startsWith("2 nodes of 2 ranks, shm, ")).toList();
    assertThat(titles).hasSize(1);
    List<String> steps = lines.subList(lines.indexOf(titles.getFirst()) + 1, lines.size() - 1);
    assertThat(steps).hasSize(4).allMatch(step -> step.endsWith("  exact"));
    assertThat(lines).last().isEqualTo("Every byte equals the reference.");
  }

  private static void checkNetwork(JsonNode document, String mode) {
    assertThat(document.get("transport").textValue())
        .startsWith("shm, ")
        .contains("mode=" + mode + ",");
    for (String key :
        List.of(
            "network_us",
            "network_combine_us",
            "dispatch_ratio_network",
            "combine_ratio_network",
            "signal_us",
            "signal_us_p99",
            "copy_gbps")) {
      assertThat(document.at("/limit/" + key).doubleValue()).as(key).isPositive();
    }
    assertThat(document.at("/dispatch/gbps_rdma").doubleValue()).isPositive();
    assertThat(document.at("/combine/gbps_rdma").doubleValue()).isPositive();
    assertThat(document.at("/network/wire_check/wire_bytes_counted").longValue()).isPositive();
  }

  private JsonNode bench(String line) {
    Path json = folder.resolve("json");
    CommandRun run = CommandRun.of(CommandRun.split(line + SMALL + " --json " + json));
    assertThat(run.code()).as(run.err()).isZero();
    assertThat(run.out()).contains("2 nodes, ", "the network alone takes", "signal: ");
    return Json.read(json, JsonNode.class);
  }
}
