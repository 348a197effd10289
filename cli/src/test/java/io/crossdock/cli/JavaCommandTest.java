package io.crossdock.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class JavaCommandTest {
  @TempDir private Path folder;

  @Test
  void itNamesThisJavaThisProgramAndTheArguments() {
    List<String> command = JavaCommand.of(List.of("worker", "/some where"));
    assertThat(command.getFirst()).isEqualTo(System.getProperty("java.home") + "/bin/java");
    assertThat(command).endsWith(Main.class.getName(), "worker", "/some where");
    assertThat(command)
        .noneMatch(flag -> flag.startsWith("-agent") || flag.startsWith("-javaagent"));
  }

  @Test
  void theCommandRunsThisProgram() {
    ToolRun.Output output =
        new ToolRun(folder).run(JavaCommand.of(List.of("--version")), Duration.ofMinutes(2));
    assertThat(output.exitCode()).isZero();
    assertThat(output.out()).contains("crossdock " + Version.text());
  }

  @Test
  void flagsOfThisJavaAreKept() {
    assertThat(JavaCommand.of(List.of())).contains("--add-modules=jdk.incubator.vector");
  }
}
