package io.crossdock.verify.harness;

import io.crossdock.ffi.LibC;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/// What a process that does not end is doing: its virtual machine prints it where it still can, and
/// the kernel knows of all threads, also of those of libraries and of a process at its end.
///
/// Stateless.
final class HangReport {
  private HangReport() {}

  /// Has every virtual machine that runs print what its threads do. One that is stopped does not.
  static void askForThreads(List<Process> processes) {
    for (Process process : processes) {
      if (process.isAlive()) {
        LibC.signal(process.pid(), LibC.SIGQUIT);
      }
    }
  }

  /// {@return a line for each thread that the kernel knows: its name, its state, and where in the
  /// kernel it waits}
  ///
  /// @param pid a process, which may have ended
  static String ofKernel(long pid) {
    Path tasks = Path.of("/proc", Long.toString(pid), "task");
    try (Stream<Path> threads = Files.list(tasks)) {
      return threads.map(HangReport::line).collect(Collectors.joining());
    } catch (IOException | UncheckedIOException e) {
      return "ended: cause=" + e + "\n";
    }
  }

  private static String line(Path task) {
    String stat = text(task.resolve("stat"));
    String state = stat.replaceFirst(".*\\) (.).*", "$1");
    return "%s: state=%s, in=%s, syscall=%s%n"
        .formatted(
            text(task.resolve("comm")),
            state,
            text(task.resolve("wchan")),
            text(task.resolve("syscall")));
  }

  private static String text(Path file) {
    try {
      return Files.readString(file).strip();
    } catch (IOException _) {
      return "?";
    }
  }
}
