package io.crossdock.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import io.crossdock.cli.safetensors.SafetensorsFile;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

/// Recorded tensors through the host engine, every output compared byte by byte with what the
/// routing reference and the experts' arithmetic give.
@Timeout(300)
class ReplayRunTest {
  private static final Recording RAGGED = new Recording(List.of(13, 0, 1, 9), 256, 4, 8, 20);

  @TempDir private Path folder;

  static Stream<Arguments> recordings() {
    Recording three = new Recording(List.of(5, 17, 2), 128, 3, 6, 0);
    Recording one = new Recording(List.of(7), 8, 1, 3, 0);
    Recording empty = new Recording(List.of(0, 0), 128, 2, 4, 0);
    Recording masked = new Recording(List.of(3, 4), 128, 2, 4, 100);
    return Stream.of(
        Arguments.of(RAGGED, ""),
        Arguments.of(RAGGED, "--expert moe"),
        Arguments.of(RAGGED, "--expert moe --placement owned --zero-copy --repeat 3"),
        Arguments.of(RAGGED, "--dtype fp8"),
        Arguments.of(RAGGED, "--dtype fp8 --expert moe --cached"),
        Arguments.of(RAGGED, "--dtype fp8 --expert moe --cached --worst-tokens 40 --zero-copy"),
        Arguments.of(RAGGED, "--cached --placement owned --repeat 2"),
        Arguments.of(RAGGED, "--worst-tokens 64 --placement owned"),
        Arguments.of(RAGGED, "--alignment 16 --max-tokens 100"),
        Arguments.of(RAGGED, "--bias 1 --expert moe"),
        Arguments.of(RAGGED, "--bias 2 --zero-copy --ranks 4"),
        Arguments.of(three, "--expert moe --bias 2 --alignment 3"),
        Arguments.of(three, "--dtype fp8 --placement owned"),
        Arguments.of(one, "--expert moe --zero-copy"),
        Arguments.of(one, "--cached --bias 1"),
        Arguments.of(empty, "--expert moe --bias 2"),
        Arguments.of(empty, "--dtype fp8 --cached --worst-tokens 3"),
        Arguments.of(masked, "--bias 1"),
        Arguments.of(masked, "--dtype fp8 --expert moe --zero-copy --placement owned"));
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
      new ReplayExpectation(recording, flags).check(file);
    }
  }

  @Test
  void byDefaultEachRankIsAProcess() {
    Path in = RAGGED.write(folder.resolve("in"));
    Path out = folder.resolve("out");
    Path json = folder.resolve("json");
    CommandRun run = replay(in, "--expert moe --out " + out + " --json " + json);
    assertThat(run.code()).as(run.err()).isZero();
    try (SafetensorsFile file = SafetensorsFile.open(out)) {
      new ReplayExpectation(RAGGED, "--expert moe").check(file);
    }
    JsonNode summary = Json.read(json, JsonNode.class);
    assertThat(summary.get("launch").textValue()).isEqualTo("processes");
    assertThat(summary.get("engine").textValue()).isEqualTo("host");
    assertThat(summary.get("ranks").intValue()).isEqualTo(4);
    assertThat(summary.get("max_tokens").intValue()).isEqualTo(13);
    assertThat(summary.get("window_bytes").longValue()).isPositive();
    List<Long> pids = new ArrayList<>();
    summary.get("pids").forEach(pid -> pids.add(pid.longValue()));
    assertThat(pids).hasSize(4).doesNotHaveDuplicates();
    assertThat(pids).doesNotContain(ProcessHandle.current().pid());
    assertThat(pids).noneMatch(pid -> ProcessHandle.of(pid).isPresent());
  }

  @Test
  void threadsShareOnePid() {
    Path json = folder.resolve("json");
    CommandRun run = replay(RAGGED.write(folder.resolve("in")), "--launch threads --json " + json);
    assertThat(run.code()).isZero();
    assertThat(run.out()).contains("replayed in: ranks=4, nodes=1, engine=host, launch=threads");
    List<Long> pids = new ArrayList<>();
    Json.read(json, JsonNode.class).get("pids").forEach(pid -> pids.add(pid.longValue()));
    assertThat(pids).isEqualTo(Collections.nCopies(4, ProcessHandle.current().pid()));
  }

  @ParameterizedTest
  @CsvSource({
    "--ranks 3, 'ranks=3, recorded=4'",
    "--max-tokens 12, 'maxTokens=12, tokens=13'",
    "--bias 3, bias=3",
    "--bias -1, bias=-1",
    "--repeat 0, repeat=0",
    "--alignment 0, expertAlignment=0",
    "--worst-tokens -1, numWorstTokens=-1",
    "--worst-tokens 1 --launch threads, rows",
  })
  void optionsThatDoNotFitAreRefused(String flags, String fact) {
    CommandRun run = replay(RAGGED.write(folder.resolve("in")), flags);
    assertThat(run.code()).isEqualTo(2);
    assertThat(run.err()).contains("crossdock: ").containsIgnoringCase(fact);
  }

  @Test
  void fp8NeedsWholeGroups() {
    Recording odd = new Recording(List.of(2, 2), 136, 2, 4, 0);
    CommandRun run = replay(odd.write(folder.resolve("in")), "--dtype fp8 --launch threads");
    assertThat(run.code()).isEqualTo(2);
    assertThat(run.err()).contains("hidden=136");
  }

  @Test
  void aFailedReplayLeavesNoOutput() {
    Path in = RAGGED.write(folder.resolve("in"));
    Path out = folder.resolve("out");
    assertThat(replay(in, "--ranks 3 --out " + out).code()).isEqualTo(2);
    assertThat(folder.toFile().list()).containsExactly("in");
  }

  private static CommandRun replay(Path file, String flags) {
    List<String> arguments = new ArrayList<>(List.of("replay", file.toString()));
    arguments.addAll(List.of(CommandRun.split(flags)));
    return CommandRun.of(arguments.toArray(String[]::new));
  }
}
