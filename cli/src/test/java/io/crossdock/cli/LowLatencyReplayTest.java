package io.crossdock.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import io.crossdock.cli.safetensors.SafetensorsFile;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

/// Recorded tensors through low-latency mode of the host engine, every output compared byte by byte
/// with what the recorded tensors and the formats give.
@Timeout(300)
class LowLatencyReplayTest {
  private static final Recording RAGGED = new Recording(List.of(13, 0, 1, 9), 640, 4, 8, 20);

  @TempDir private Path folder;

  static Stream<Arguments> recordings() {
    Recording three = new Recording(List.of(5, 17, 2), 136, 3, 6, 0);
    Recording one = new Recording(List.of(7), 8, 1, 3, 0);
    Recording empty = new Recording(List.of(0, 0), 128, 2, 4, 0);
    Recording masked = new Recording(List.of(3, 4), 128, 2, 4, 100);
    return Stream.of(
        Arguments.of(RAGGED, ""),
        Arguments.of(RAGGED, "--expert moe"),
        Arguments.of(RAGGED, "--expert moe --hook --zero-copy --repeat 3"),
        Arguments.of(RAGGED, "--dtype fp8"),
        Arguments.of(RAGGED, "--dtype fp8 --expert moe --zero-copy --max-tokens 20"),
        Arguments.of(RAGGED, "--dtype fp8 --expert moe --round-scale --hook"),
        Arguments.of(RAGGED, "--dtype fp8 --expert moe --round-scale --ue8m0 --repeat 2"),
        Arguments.of(RAGGED, "--dtype fp8 --logfmt --hook"),
        Arguments.of(RAGGED, "--expert moe --logfmt --repeat 2 --ranks 4"),
        Arguments.of(three, "--expert moe --hook"),
        Arguments.of(three, "--zero-copy"),
        Arguments.of(one, "--expert moe --zero-copy"),
        Arguments.of(empty, "--expert moe --hook"),
        Arguments.of(empty, "--dtype fp8 --round-scale --ue8m0"),
        Arguments.of(masked, "--dtype fp8 --expert moe --zero-copy"));
  }

  @ParameterizedTest
  @MethodSource
  void recordings(Recording recording, String flags) {
    Path in = recording.write(folder.resolve("in"));
    Path out = folder.resolve("out");
    CommandRun run = replay(in, "--launch threads --out " + out + " " + flags);
    assertThat(run.err()).as(run.err()).doesNotContain("crossdock:");
    assertThat(run.code()).isZero();
    try (SafetensorsFile file = SafetensorsFile.open(out)) {
      new LowLatencyExpectation(recording, flags).check(file);
    }
  }

  @Test
  void byDefaultEachRankIsAProcess() {
    String flags = "--expert moe --dtype fp8 --hook --round-scale";
    Path in = RAGGED.write(folder.resolve("in"));
    Path out = folder.resolve("out");
    Path json = folder.resolve("json");
    CommandRun run = replay(in, flags + " --out " + out + " --json " + json);
    assertThat(run.code()).as(run.err()).isZero();
    try (SafetensorsFile file = SafetensorsFile.open(out)) {
      new LowLatencyExpectation(RAGGED, flags).check(file);
    }
    JsonNode summary = Json.read(json, JsonNode.class);
    assertThat(summary.get("mode").textValue()).isEqualTo("low-latency");
    assertThat(summary.get("launch").textValue()).isEqualTo("processes");
    assertThat(summary.get("max_tokens").intValue()).isEqualTo(13);
    assertThat(summary.get("hook").booleanValue()).isTrue();
    assertThat(summary.get("round_scale").booleanValue()).isTrue();
    assertThat(summary.get("ue8m0").booleanValue()).isFalse();
    assertThat(summary.get("window_bytes").longValue()).isPositive();
    List<Long> pids = new ArrayList<>();
    summary.get("pids").forEach(pid -> pids.add(pid.longValue()));
    assertThat(pids).hasSize(4).doesNotHaveDuplicates();
    assertThat(pids).noneMatch(pid -> ProcessHandle.of(pid).isPresent());
  }

  @ParameterizedTest
  @CsvSource({
    "--dtype fp8 --ue8m0, --ue8m0 needs --round-scale",
    "--round-scale, --round-scale and --ue8m0 need --dtype fp8",
    "--zero-copy --logfmt, --zero-copy does not go with --logfmt",
    "--repeat 0, repeat=0",
    "--max-tokens 12, 'maxTokens=12, tokens=13'",
    "--ranks 3, 'ranks=3, recorded=4'",
    "--placement owned, --placement needs --mode normal",
    "--bias 1 --cached, '--cached, --bias needs --mode normal'",
  })
  void optionsThatDoNotFitAreRefused(String flags, String fact) {
    CommandRun run = replay(RAGGED.write(folder.resolve("in")), flags);
    assertThat(run.code()).isEqualTo(2);
    assertThat(run.err()).contains("crossdock: ").contains(fact);
  }

  @Test
  void fp8NeedsWholeGroups() {
    Recording odd = new Recording(List.of(2, 2), 136, 2, 4, 0);
    CommandRun run = replay(odd.write(folder.resolve("in")), "--dtype fp8 --launch threads");
    assertThat(run.code()).isEqualTo(2);
    assertThat(run.err()).contains("hidden=136");
  }

  private static CommandRun replay(Path file, String flags) {
    List<String> arguments =
        new ArrayList<>(List.of("replay", file.toString(), "--mode", "low-latency"));
    arguments.addAll(List.of(CommandRun.split(flags)));
    return CommandRun.of(arguments.toArray(String[]::new));
  }
}
