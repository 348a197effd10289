package io.crossdock.host;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Which kernel a JVM picks is settled when it starts, so each case is a process.
class KernelChoiceTest {
  @TempDir Path folder;

  @Test
  void theVectorKernelRunsWhereItsModuleIs() throws Exception {
    assertThat(run("--add-modules", "jdk.incubator.vector"))
        .containsPattern("kernel=vector\\d+")
        .containsPattern("weighted=vector\\d+")
        .containsPattern("cast=(vector\\d{3}|scalar)")
        .containsPattern("logfmt=(vector\\d{3}|scalar)");
  }

  @Test
  void theScalarTwinRunsWithoutTheModule() throws Exception {
    assertThat(run()).contains("kernel=scalar", "cast=scalar", "weighted=scalar", "logfmt=scalar");
  }

  @Test
  void theScalarTwinRunsWhereAskedFor() throws Exception {
    assertThat(run("--add-modules", "jdk.incubator.vector", "-Dcrossdock.host.kernels=scalar"))
        .contains("kernel=scalar", "cast=scalar", "weighted=scalar", "logfmt=scalar");
  }

  private String run(String... options) throws IOException, InterruptedException {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.addAll(List.of(options));
    command.addAll(List.of("-cp", System.getProperty("java.class.path")));
    command.add(KernelProbe.class.getName());
    Path log = folder.resolve("log");
    Process process =
        new ProcessBuilder(command).redirectErrorStream(true).redirectOutput(log.toFile()).start();
    try {
      assertThat(process.waitFor(60, TimeUnit.SECONDS)).as("ended in time").isTrue();
      assertThat(process.exitValue()).as(Files.readString(log)).isZero();
      return Files.readString(log);
    } finally {
      process.destroyForcibly();
    }
  }
}
