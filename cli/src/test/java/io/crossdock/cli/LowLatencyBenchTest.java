package io.crossdock.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Files;
import java.nio.file.Path;
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
}
