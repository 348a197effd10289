package io.crossdock.host;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Runs the jcstress tests of this module: a short pass of each in every build, and all compilers
/// and JVM modes at length with `./check --long`.
class StressTest {
  private static final boolean LONG = Boolean.getBoolean("crossdock.long");
  private static final int STRIDE = 256;
  private static final List<String> SHORT =
      List.of("-f", "1", "-iters", "1", "-time", "300", "-sc", "false", "-jvmArgs", "-Xmx256m");
  private static final List<String> AT_LENGTH = List.of("-iters", "5", "-time", "500");
  private static final Pattern NAME =
      Pattern.compile("io\\.crossdock\\.host\\.\\w+Stress(\\.[A-Za-z]+)?");

  @TempDir Path folder;

  @Test
  void everyOutcomeIsOneThatIsExplained() throws Exception {
    Path log = folder.resolve("log");
    Process process =
        new ProcessBuilder(command())
            .directory(folder.toFile())
            .redirectErrorStream(true)
            .redirectOutput(log.toFile())
            .start();
    try {
      boolean ended = process.waitFor(LONG ? 180 : 5, TimeUnit.MINUTES);
      String output = Files.readString(log);
      assertThat(ended).as("ended in time, output: %s", output).isTrue();
      assertThat(process.exitValue()).as(output).isZero();
      assertThat(output).contains("Failed tests: No matches.", "Error tests: No matches.");
      assertThat(stressTests())
          .isNotEmpty()
          .allSatisfy(test -> assertThat(output).contains("[OK] " + test));
    } finally {
      process.destroyForcibly();
    }
  }

  private List<String> command() {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.addAll(List.of("-cp", System.getProperty("java.class.path")));
    command.add("org.openjdk.jcstress.Main");
    command.addAll(List.of("-v", "-c", "2", "-r", folder.resolve("report").toString()));
    int strides = SharedPages.MAX_STATES / STRIDE;
    command.addAll(List.of("-strideSize", "" + STRIDE, "-strideCount", "" + strides));
    command.addAll(LONG ? AT_LENGTH : SHORT);
    return command;
  }

  /// The names in the index that jcstress's annotation processor wrote.
  private static Set<String> stressTests() throws Exception {
    Path classes =
        Path.of(StressTest.class.getProtectionDomain().getCodeSource().getLocation().toURI());
    String index = Files.readString(classes.resolve("META-INF/TestList"));
    return NAME.matcher(index).results().map(MatchResult::group).collect(Collectors.toSet());
  }
}
