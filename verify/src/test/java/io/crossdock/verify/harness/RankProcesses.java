package io.crossdock.verify.harness;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;

/// Ranks as processes. What a rank printed last is part of every failure, and so is the report of a
/// virtual machine that crashed.
///
/// Confined to the thread of the test.
public final class RankProcesses implements AutoCloseable {
  static final String CRASH_PREFIX = "hs_err_pid";
  private static final int TAIL_CHARS = 4000;
  private static final int DUMP_CHARS = 60_000;
  private static final String END_OF_DUMP = "JNI global refs";
  private static final Duration LAST_LINES = Duration.ofSeconds(10);

  private final List<Process> processes = new ArrayList<>();
  private final List<RankLog> logs = new ArrayList<>();
  private final Path folder;

  RankProcesses(Path folder) {
    this.folder = folder;
  }

  void add(Process process) {
    logs.add(new RankLog(process, Integer.toString(processes.size())));
    processes.add(process);
  }

  /// Starts all ranks.
  ///
  /// @param numRanks R
  /// @param body of each rank
  /// @param arguments of the body
  /// @return the running ranks
  public static RankProcesses start(
      int numRanks, Class<? extends RankBody> body, List<String> arguments) throws IOException {
    return start(numRanks, Map.of(), body, arguments);
  }

  /// Starts all ranks with more environment.
  ///
  /// @param numRanks R
  /// @param environment added; may override
  /// @param body of each rank
  /// @param arguments of the body
  /// @return the running ranks
  public static RankProcesses start(
      int numRanks,
      Map<String, String> environment,
      Class<? extends RankBody> body,
      List<String> arguments)
      throws IOException {
    return RankLaunch.of(numRanks)
        .environment(environment)
        .start(body, arguments.toArray(String[]::new));
  }

  /// {@return the process of a rank}
  ///
  /// @param rank a rank
  public Process process(int rank) {
    return processes.get(rank);
  }

  /// {@return what a rank printed so far}
  ///
  /// @param rank a rank
  public String output(int rank) {
    return logs.get(rank).text();
  }

  /// Creates an empty file in the folder that the ranks run in.
  ///
  /// @param name of the file
  public void createFile(String name) throws IOException {
    Files.createFile(folder.resolve(name));
  }

  /// Waits until a rank printed something.
  ///
  /// @param rank a rank
  /// @param text part of a line
  /// @param timeout at most
  public void awaitOutput(int rank, String text, Duration timeout) throws InterruptedException {
    if (!logs.get(rank).await(text, timeout)) {
      throw new AssertionError("rank did not print: rank=" + rank + ", text=" + text + allTails());
    }
  }

  /// Waits until every rank ended and asserts that all ended well.
  ///
  /// @param timeout of all
  public void awaitSuccess(Duration timeout) throws Exception {
    long deadline = System.nanoTime() + timeout.toNanos();
    for (int rank = 0; rank < processes.size(); rank++) {
      awaitSuccess(rank, Duration.ofNanos(Math.max(1, deadline - System.nanoTime())));
    }
  }

  /// Waits until a rank ended and asserts that it ended well.
  ///
  /// @param rank a rank
  /// @param timeout at most
  public void awaitSuccess(int rank, Duration timeout) throws Exception {
    int code = await(rank, timeout);
    if (code != 0) {
      throw new AssertionError("rank failed: rank=" + rank + ", exitCode=" + code + allTails());
    }
  }

  /// Waits until a rank ended.
  ///
  /// @param rank a rank
  /// @param timeout at most
  /// @return its exit code
  public int await(int rank, Duration timeout) throws InterruptedException {
    Process process = processes.get(rank);
    if (!process.waitFor(timeout.toNanos(), TimeUnit.NANOSECONDS)) {
      throw new AssertionError(whatHangs(rank));
    }
    logs.get(rank).join(LAST_LINES);
    return process.exitValue();
  }

  private String whatHangs(int rank) throws InterruptedException {
    HangReport.askForThreads(processes);
    for (RankLog log : logs) {
      log.await(END_OF_DUMP, LAST_LINES);
    }
    return "rank hangs: rank="
        + rank
        + "\n"
        + HangReport.ofKernel(processes.get(rank).pid())
        + allTails(DUMP_CHARS);
  }

  private String allTails() {
    return allTails(TAIL_CHARS);
  }

  private String allTails(int most) {
    StringBuilder text = new StringBuilder();
    for (int rank = 0; rank < logs.size(); rank++) {
      String log = output(rank);
      text.append("\n--- rank ").append(rank).append(" printed:\n");
      text.append(log.substring(Math.max(0, log.length() - most)));
    }
    return text.toString();
  }

  /// Ends what still runs, removes the folder, and fails if a virtual machine crashed.
  @Override
  public void close() throws IOException {
    for (Process process : processes) {
      process.destroyForcibly();
      process.onExit().join();
    }
    List<Path> files;
    try (Stream<Path> found = Files.walk(folder)) {
      files = found.sorted(Comparator.reverseOrder()).toList();
    }
    StringBuilder crashes = new StringBuilder();
    for (Path file : files) {
      if (file.getFileName().toString().startsWith(CRASH_PREFIX)) {
        crashes.append(head(file));
      }
      Files.delete(file);
    }
    if (!crashes.isEmpty()) {
      throw new AssertionError("virtual machine crashed:\n" + crashes);
    }
  }

  private static String head(Path report) {
    try {
      String text = Files.readString(report);
      return text.substring(0, Math.min(TAIL_CHARS, text.length()));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
