package io.crossdock.verify.harness;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.concurrent.TimeUnit;

/// Runs programs of the system that say little and end soon.
///
/// Safe for any thread.
public final class Tool {
  private static final long SECONDS = 20;

  private Tool() {}

  /// How a program ended.
  ///
  /// @param problem why it failed; empty if it did what it should
  /// @param output what it printed
  private record Outcome(String problem, String output) {}

  /// Runs a program that may fail.
  ///
  /// @param command program and arguments
  /// @return why it failed; empty if it did what it should
  public static String problemOf(List<String> command) {
    return run(command).problem;
  }

  /// Runs a program that must not fail.
  ///
  /// @param command program and arguments
  /// @return what it printed
  public static String outputOf(List<String> command) {
    Outcome outcome = run(command);
    if (!outcome.problem.isEmpty()) {
      throw new AssertionError("tool failed: " + outcome.problem);
    }
    return outcome.output;
  }

  private static Outcome run(List<String> command) {
    try {
      Process tool = new ProcessBuilder(command).redirectErrorStream(true).start();
      tool.getOutputStream().close();
      if (!tool.waitFor(SECONDS, TimeUnit.SECONDS)) {
        tool.destroyForcibly();
        return new Outcome("tool hangs: command=" + command, "");
      }
      String said = new String(tool.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
      String problem = tool.exitValue() == 0 ? "" : command + " says " + said.strip();
      return new Outcome(problem, said);
    } catch (IOException e) {
      return new Outcome(e.toString(), "");
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return new Outcome(e.toString(), "");
    }
  }
}
