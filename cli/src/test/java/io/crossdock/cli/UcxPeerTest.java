package io.crossdock.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.crossdock.core.EngineUnavailableException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// What runs on UCX beside us: the program in C and `ucx_perftest`, where they can.
@Timeout(300)
class UcxPeerTest {
  private static final Path HOME = Path.of(System.getProperty("user.dir")).getParent();
  private static final String PATH = System.getenv("PATH");

  @TempDir private Path folder;

  @Test
  void theTwinChecksAndMeasures() {
    assumeTrue(Files.isReadable(Path.of("/usr/include/ucp/api/ucp.h")), "no libucx-dev");
    assumeTrue(MpiPeer.find("gcc", PATH, new ArrayList<>()).isPresent(), "no gcc");
    UcxPeer.Report report = UcxPeer.build(HOME, PATH, folder).run();
    assertThat(report.checked()).isTrue();
    assertThat(report.signalUsMedian()).isPositive().isLessThanOrEqualTo(report.signalUsP99());
    assertThat(report.ucx()).matches("\\d+\\.\\d+\\.\\d+");
  }

  @Test
  void namesThePackagesOfMissingTools() {
    assertThatThrownBy(() -> UcxPeer.build(HOME, folder.toString(), folder))
        .isInstanceOf(EngineUnavailableException.class)
        .hasMessageContaining("tools=[gcc]")
        .hasMessageContaining("libucx-dev");
  }

  @Test
  void namesTheMissingSource() {
    assertThatThrownBy(() -> UcxPeer.build(folder, PATH, folder))
        .isInstanceOf(EngineUnavailableException.class)
        .hasMessageContaining(folder.resolve("verify/peers/ucx_signal.c").toString());
  }

  @Test
  void perftestMeasuresRateAndLatency() {
    Optional<UcxPerftest> program = UcxPerftest.find(PATH, folder);
    assumeTrue(program.isPresent(), "no ucx_perftest");
    UcxPerftest.Report report = program.orElseThrow().run(4096);
    assertThat(report.bytes()).isEqualTo(4096);
    assertThat(report.putGbps()).isPositive();
    assertThat(report.putMicros()).isPositive();
  }

  @Test
  void perftestThatFailsIsTold() {
    ToolRun.Output output = new ToolRun.Output(1, "Waiting\n", "no device\n");
    assertThatThrownBy(() -> UcxPerftest.figures(output))
        .isInstanceOf(WorkerFailure.class)
        .hasMessageContaining("no device");
  }
}
