package io.crossdock.cli;

import io.crossdock.core.CrossdockException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.TimeUnit;

/// Runs a foreign program to its end, within a time, and keeps what it prints. Nothing of it is
/// left running, whatever happens here.
///
/// Confined to one thread.
final class ToolRun {
  private static final Duration GRACE = Duration.ofSeconds(5);

  private final Path out;
  private final Path err;

  /// @param folder where the program's output is kept
  ToolRun(Path folder) {
    out = folder.resolve("tool.out");
    err = folder.resolve("tool.err");
  }

  /// What a program left.
  ///
  /// Safe for any thread.
  ///
  /// @param exitCode of the program
  /// @param out its standard output
  /// @param err its error output
  record Output(int exitCode, String out, String err) {}

  /// Runs a program.
  ///
  /// @param command program and arguments
  /// @param timeout after which it is ended
  /// @return what it left
  /// @throws WorkerFailure if it takes longer
  Output run(List<String> command, Duration timeout) {
    Process process = start(command);
    Thread hook = new Thread(() -> endAfterSignal(process), "crossdock-end-tool");
    Runtime.getRuntime().addShutdownHook(hook);
    try {
      if (!process.waitFor(timeout.toMillis(), TimeUnit.MILLISECONDS)) {
        throw new WorkerFailure(
            "program took too long: command=" + command + ", timeoutMs=" + timeout.toMillis(),
            ExitCode.PEER_FAILED,
            WorkerFailure.Origin.OWN);
      }
      return new Output(process.exitValue(), text(out), text(err));
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new CrossdockException("interrupted while a program ran: command=" + command, e);
    } finally {
      end(process);
      removeHook(hook);
    }
  }

  private Process start(List<String> command) {
    try {
      return new ProcessBuilder(command)
          .redirectInput(ProcessBuilder.Redirect.from(Path.of("/dev/null").toFile()))
          .redirectOutput(out.toFile())
          .redirectError(err.toFile())
          .start();
    } catch (IOException e) {
      throw new CrossdockException(
          "program could not be started: command=" + command + ", cause=" + e.getMessage(), e);
    }
  }

  /// A signal from the terminal reaches the program as well, and a second one would keep it from
  /// removing what it put into shared memory. So it gets a while to end by itself.
  private static void endAfterSignal(Process process) {
    awaitEnd(process);
    end(process);
  }

  /// Asks first: a program told to end removes what it put into shared memory.
  private static void end(Process process) {
    List<ProcessHandle> children = process.descendants().toList();
    process.destroy();
    if (!awaitEnd(process)) {
      process.destroyForcibly();
    }
    children.forEach(ProcessHandle::destroyForcibly);
  }

  private static boolean awaitEnd(Process process) {
    try {
      return process.waitFor(GRACE.toMillis(), TimeUnit.MILLISECONDS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return false;
    }
  }

  private static void removeHook(Thread hook) {
    try {
      Runtime.getRuntime().removeShutdownHook(hook);
    } catch (IllegalStateException e) {
      // The machine is shutting down and the hook runs: it ends what is ended already.
    }
  }

  private static String text(Path file) {
    try {
      return new String(Files.readAllBytes(file), StandardCharsets.UTF_8);
    } catch (IOException e) {
      throw new CrossdockException("output cannot be read: file=" + file + ", cause=" + e, e);
    }
  }
}
