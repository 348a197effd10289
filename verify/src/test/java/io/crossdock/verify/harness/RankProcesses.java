package io.crossdock.verify.harness;

import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/// Ranks as processes: each runs [RankMain] with the same body. Output of a rank goes to a file
/// whose end is part of every failure.
public final class RankProcesses implements AutoCloseable {
  private static final int TAIL_CHARS = 4000;
  private static final String SECRET = "0123456789abcdef0123456789abcdef";

  private final List<Process> processes = new ArrayList<>();
  private final List<Path> logs = new ArrayList<>();
  private final Path folder;

  private RankProcesses(Path folder) {
    this.folder = folder;
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
    RankProcesses ranks = new RankProcesses(Files.createTempDirectory("crossdock-ranks-"));
    int port = freePort();
    for (int rank = 0; rank < numRanks; rank++) {
      ProcessBuilder builder = new ProcessBuilder(command(body, arguments));
      Map<String, String> variables = builder.environment();
      variables.put("RANK", Integer.toString(rank));
      variables.put("LOCAL_RANK", Integer.toString(rank));
      variables.put("WORLD_SIZE", Integer.toString(numRanks));
      variables.put("LOCAL_WORLD_SIZE", Integer.toString(numRanks));
      variables.put("MASTER_ADDR", "127.0.0.1");
      variables.put("MASTER_PORT", Integer.toString(port));
      variables.put("CROSSDOCK_SECRET", SECRET);
      variables.put("CROSSDOCK_TIMEOUT_SECONDS", "60");
      variables.putAll(environment);
      Path log = ranks.folder.resolve("rank" + rank + ".log");
      builder.redirectErrorStream(true).redirectOutput(log.toFile());
      ranks.logs.add(log);
      ranks.processes.add(builder.start());
    }
    return ranks;
  }

  private static List<String> command(Class<? extends RankBody> body, List<String> arguments) {
    List<String> command =
        new ArrayList<>(
            List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "--enable-native-access=ALL-UNNAMED",
                "--add-modules",
                "jdk.incubator.vector",
                "-Xmx512m",
                "-cp",
                System.getProperty("java.class.path"),
                RankMain.class.getName(),
                body.getName()));
    command.addAll(arguments);
    return command;
  }

  private static int freePort() throws IOException {
    try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      return socket.getLocalPort();
    }
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
  public String output(int rank) throws IOException {
    return Files.readString(logs.get(rank));
  }

  /// Waits until every rank ended and asserts that all ended well.
  ///
  /// @param timeout of all
  public void awaitSuccess(Duration timeout) throws Exception {
    long deadline = System.nanoTime() + timeout.toNanos();
    for (int rank = 0; rank < processes.size(); rank++) {
      int code = await(rank, Duration.ofNanos(Math.max(1, deadline - System.nanoTime())));
      if (code != 0) {
        throw new AssertionError("rank failed: rank=" + rank + ", exitCode=" + code + allTails());
      }
    }
  }

  /// Waits until a rank ended.
  ///
  /// @param rank a rank
  /// @param timeout at most
  /// @return its exit code
  public int await(int rank, Duration timeout) throws Exception {
    Process process = processes.get(rank);
    if (!process.waitFor(timeout.toNanos(), TimeUnit.NANOSECONDS)) {
      throw new AssertionError("rank hangs: rank=" + rank + allTails());
    }
    return process.exitValue();
  }

  private String allTails() throws IOException {
    StringBuilder text = new StringBuilder();
    for (int rank = 0; rank < logs.size(); rank++) {
      String log = output(rank);
      text.append("\n--- rank ").append(rank).append(" printed:\n");
      text.append(log.substring(Math.max(0, log.length() - TAIL_CHARS)));
    }
    return text.toString();
  }

  /// Ends what still runs and removes the logs.
  @Override
  public void close() throws IOException {
    for (Process process : processes) {
      process.destroyForcibly();
    }
    for (Path log : logs) {
      Files.deleteIfExists(log);
    }
    Files.deleteIfExists(folder);
  }
}
