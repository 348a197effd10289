package io.crossdock.cli;

import io.crossdock.core.watch.WatchLayout;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.DirectoryIteratorException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.TimeUnit;

/// Prints each second how long running ranks waited for each other, the slowest peer first. Ranks
/// are found by the descriptors of their watch files; those of other users stay unseen.
///
/// Confined to one thread.
final class WaitWatch {
  private static final Path PROCESSES = Path.of("/proc");
  private static final Comparator<WatchFile.Line> SLOWEST_FIRST =
      Comparator.comparingLong((WatchFile.Line line) -> line.waits().medianNanos())
          .thenComparingLong(line -> line.waits().maxNanos())
          .reversed();

  private final PrintWriter out;

  /// By the name of the file, which is unique.
  private final Map<String, WatchFile> files = new HashMap<>();

  /// Files that cannot be read, told once.
  private final Set<String> unreadable = new HashSet<>();

  WaitWatch(PrintWriter out) {
    this.out = out;
  }

  /// Watches until it is interrupted, at most so long.
  void run(int seconds) throws InterruptedException {
    try {
      find();
      for (int second = 0; second < seconds; second++) {
        TimeUnit.SECONDS.sleep(1);
        print();
        find();
      }
    } finally {
      files.values().forEach(WatchFile::close);
    }
  }

  private void print() {
    List<WatchFile.Line> lines = new ArrayList<>();
    files.values().forEach(file -> lines.addAll(file.next()));
    lines.sort(SLOWEST_FIRST);
    if (files.isEmpty()) {
      out.println("no group of the host engine runs here as this user");
    } else if (lines.isEmpty()) {
      out.println("nobody waited in this second: ranks=" + files.size());
    } else {
      out.printf("%-10s %6s %6s %10s %14s %14s%n", "pid", "rank", "peer", "waits", "median", "max");
      lines.forEach(this::print);
    }
    out.flush();
  }

  private void print(WatchFile.Line line) {
    out.printf(
        "%-10d %6d %6d %10d %14s %14s%n",
        line.pid(),
        line.rank(),
        line.peer(),
        line.waits().count(),
        micros(line.waits().medianNanos()),
        micros(line.waits().maxNanos()));
  }

  private static String micros(long nanos) {
    return String.format(Locale.ROOT, "%.1f us", nanos / 1e3);
  }

  /// Maps the files of ranks that came and forgets those of ranks that went.
  private void find() {
    Set<String> present = new HashSet<>();
    try (DirectoryStream<Path> processes = Files.newDirectoryStream(PROCESSES, "[0-9]*")) {
      Object self = Files.getOwner(PROCESSES.resolve("self"));
      for (Path process : processes) {
        find(process, self, present);
      }
    } catch (IOException e) {
      out.println("processes cannot be listed: cause=" + e);
    }
    files
        .entrySet()
        .removeIf(entry -> {
          boolean gone = !present.contains(entry.getKey());
          if (gone) {
            entry.getValue().close();
          }
          return gone;
        });
  }

  /// A process that ends meanwhile, or is not ours, has nothing to say.
  private void find(Path process, Object owner, Set<String> present) {
    try {
      if (!Files.getOwner(process).equals(owner)) {
        return;
      }
      try (DirectoryStream<Path> descriptors = Files.newDirectoryStream(process.resolve("fd"))) {
        for (Path descriptor : descriptors) {
          look(process, descriptor, present);
        }
      }
    } catch (IOException | DirectoryIteratorException _) {
      // It is gone.
    }
  }

  private void look(Path process, Path descriptor, Set<String> present) throws IOException {
    String name = Files.readSymbolicLink(descriptor).getFileName().toString();
    if (!name.startsWith(WatchLayout.FILE_PREFIX) || !present.add(name)) {
      return;
    }
    if (files.containsKey(name) || unreadable.contains(name)) {
      return;
    }
    long pid = Long.parseLong(process.getFileName().toString());
    try {
      WatchFile.open(pid, descriptor).ifPresent(file -> files.put(name, file));
    } catch (IllegalStateException e) {
      unreadable.add(name);
      out.println(e.getMessage());
    }
  }
}
