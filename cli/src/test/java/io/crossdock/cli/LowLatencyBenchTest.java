package io.crossdock.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// Small benchmarks of low-latency mode from the command line to the document.
@Timeout(300)
class LowLatencyBenchTest {
  private static final String SMALL =
      "bench low-latency --engine host --ranks 2 --launch threads --hidden 256 --experts 4 --topk 2"
          + " --iterations 2 ";

  @TempDir private Path folder;

  @Test
  void halvesAreTimedApart() throws Exception {
    Path json = folder.resolve("json");
    Path report = folder.resolve("html");
    CommandRun run =
        CommandRun.of(
            CommandRun.split(SMALL + "--tokens 3 --hook --json " + json + " --report " + report));
    assertThat(run.code()).as(run.err()).isZero();
    assertThat(run.out()).contains("dispatch FP8").contains("undisturbed").contains("checked");
    JsonNode document = Json.read(json, JsonNode.class);
    assertThat(document.get("mode").textValue()).isEqualTo("low-latency");
    assertThat(document.get("tokens").intValue()).isEqualTo(3);
    assertThat(document.get("dtype").textValue()).isEqualTo("fp8");
    assertThat(document.get("verified").booleanValue()).isTrue();
    assertThat(document.at("/dispatch/us_send_median").doubleValue()).isPositive();
    assertThat(document.at("/combine/gbps_nvl").doubleValue()).isPositive();
    assertThat(Files.readString(report)).contains("crossdock.bench/1").contains("low-latency");
  }

  @Test
  void bf16RowsAndLogFmtRunUnchecked() {
    CommandRun run =
        CommandRun.of(CommandRun.split(SMALL + "--tokens 2 --dtype bf16 --logfmt --no-verify"));
    assertThat(run.code()).as(run.err()).isZero();
    assertThat(run.out())
        .contains("dispatch BF16, combine LOGFMT10")
        .contains("not checked")
        .doesNotContain("undisturbed");
  }

  @Test
  void theFloorIsMadeOfTheEnginesOwnParts() {
    Path json = folder.resolve("json");
    CommandRun run = CommandRun.of(CommandRun.split(SMALL + "--floor --json " + json));
    assertThat(run.code()).as(run.err()).isZero();
    assertThat(run.out()).contains("bare parts: cast").contains("(goal: at most 3)");
    JsonNode floor = Json.read(json, JsonNode.class).get("floor");
    double parts =
        floor.get("cast_us").doubleValue()
            + floor.get("row_copy_us").doubleValue()
            + floor.get("reply_copy_us").doubleValue()
            + 3 * floor.get("ping_pong_us").doubleValue();
    assertThat(floor.get("floor_us").doubleValue()).isCloseTo(parts, within(1e-9));
    assertThat(floor.get("cast_us").doubleValue()).isPositive();
    assertThat(floor.get("ping_pong_us").doubleValue()).isPositive();
    assertThat(floor.get("ratio").doubleValue())
        .isCloseTo(floor.get("calls_us").doubleValue() / parts, within(1e-9));
  }

  @Test
  void overlapLeavesTracesOfAllStages() {
    Path json = folder.resolve("json");
    Path trace = folder.resolve("trace");
    CommandRun run =
        CommandRun.of(
            CommandRun.split(
                SMALL
                    + "--tokens 2 --overlap --compute 50 --uneven 60 --trace "
                    + trace
                    + " --json "
                    + json));
    assertThat(run.code()).as(run.err()).isZero();
    assertThat(run.out()).contains("without hooks").contains("with hooks").contains("exposed");
    JsonNode overlap = Json.read(json, JsonNode.class).get("overlap");
    assertThat(overlap.get("plain_exposed_us").doubleValue())
        .isPositive()
        .isLessThan(overlap.get("plain_us").doubleValue());
    assertThat(overlap.get("compute_us").longValue()).isEqualTo(50);
    assertThat(overlap.get("uneven_percent").intValue()).isEqualTo(60);
    assertTrack(trace, 1, "attention", "dispatch", "experts", "combine");
    assertTrack(
        trace,
        2,
        "attention",
        "dispatch send",
        "dispatch receive",
        "experts",
        "combine send",
        "combine receive");
  }

  /// Each rank has a track with both batches of every stage, one after the other.
  private static void assertTrack(Path trace, int variant, String... stages) {
    for (int rank = 0; rank < 2; rank++) {
      List<String> seen = new ArrayList<>();
      double end = 0;
      for (JsonNode event : Json.read(trace, JsonNode.class).get("traceEvents")) {
        boolean mine =
            event.get("pid").intValue() == variant && event.get("tid").intValue() == rank;
        if (mine && event.get("ph").textValue().equals("X")) {
          seen.add(
              event.get("name").textValue() + " of batch " + event.at("/args/batch").intValue());
          assertThat(event.get("ts").doubleValue()).isGreaterThanOrEqualTo(end - 0.001);
          end = event.get("ts").doubleValue() + event.get("dur").doubleValue();
        }
      }
      assertThat(seen)
          .containsExactlyInAnyOrderElementsOf(
              Stream.of(stages)
                  .flatMap(stage -> Stream.of(stage + " of batch 0", stage + " of batch 1"))
                  .toList());
    }
  }
}
