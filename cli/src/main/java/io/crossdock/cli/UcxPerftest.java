package io.crossdock.cli;

import io.crossdock.core.CrossdockException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.locks.LockSupport;

/// `ucx_perftest`, the benchmark that comes with UCX, as two processes of this machine: what the
/// library gives without us.
///
/// Confined to one thread.
final class UcxPerftest {
  private static final String PROGRAM = "ucx_perftest";

  /// The network that two nodes on one machine have, unless the user says otherwise.
  private static final String TLS = System.getenv().getOrDefault("UCX_TLS", "tcp,self");

  private static final Duration TIMEOUT = Duration.ofSeconds(60);
  private static final Duration START_TIMEOUT = Duration.ofSeconds(10);
  private static final long POLL_NANOS = 5_000_000;
  private static final double BYTES_PER_MIB = 1 << 20;
  private static final String LISTENING = " 0A ";

  /// Columns of the line that is printed at the end.
  private static final int MEDIAN_COLUMN = 1;

  private static final int OVERALL_RATE_COLUMN = 5;
  private static final int COLUMNS = 8;

  private final Path program;
  private final Path folder;

  private UcxPerftest(Path program, Path folder) {
    this.program = program;
    this.folder = folder;
  }

  /// What it measured.
  ///
  /// Safe for any thread.
  ///
  /// @param bytes of a put
  /// @param putGbps bytes per second of many such puts, GB/s
  /// @param putMicros half a round trip of 8 bytes without a signal, median
  record Report(int bytes, double putGbps, double putMicros) {}

  /// {@return the program, if it is installed}
  ///
  /// @param searchPath where it is looked for, as in `PATH`
  /// @param folder where its output is kept
  static Optional<UcxPerftest> find(String searchPath, Path folder) {
    return MpiPeer.find(PROGRAM, searchPath, new ArrayList<>())
        .map(program -> new UcxPerftest(program, folder));
  }

  /// Measures puts of a size.
  ///
  /// @param bytes of a put
  /// @return what it measured
  /// @throws WorkerFailure if it fails or takes longer
  Report run(int bytes) {
    double[] rate = test("ucp_put_bw", bytes, 20_000);
    double[] latency = test("ucp_put_lat", 8, 20_000);
    double gbps = rate[OVERALL_RATE_COLUMN] * BYTES_PER_MIB / 1e9;
    return new Report(bytes, gbps, latency[MEDIAN_COLUMN]);
  }

  private double[] test(String name, int bytes, int iterations) {
    int port = LocalRanks.freePort();
    List<String> server = new ArrayList<>(List.of("env", "UCX_TLS=" + TLS, program.toString()));
    List<String> client = new ArrayList<>(server);
    client.add("127.0.0.1");
    List<String> options =
        List.of(
            "-f",
            "-t",
            name,
            "-s",
            "" + bytes,
            "-n",
            "" + iterations,
            "-p",
            Integer.toString(port));
    server.addAll(options);
    client.addAll(options);
    CompletableFuture<ToolRun.Output> other = new CompletableFuture<>();
    ToolRun there = new ToolRun(subfolder("server"));
    Thread.ofVirtual()
        .start(() -> {
          try {
            other.complete(there.run(server, TIMEOUT));
          } catch (RuntimeException e) {
            other.completeExceptionally(e);
          }
        });
    awaitListening(port, other);
    ToolRun.Output here = new ToolRun(subfolder("client")).run(client, TIMEOUT);
    other.join();
    return figures(here);
  }

  private Path subfolder(String name) {
    try {
      return Files.createDirectories(folder.resolve(name));
    } catch (IOException e) {
      throw new CrossdockException("folder cannot be made: name=" + name + ", cause=" + e, e);
    }
  }

  /// The kernel's own list tells that the server listens; to connect would be taken as the client.
  private static void awaitListening(int port, CompletableFuture<ToolRun.Output> server) {
    String address = ":%04X ".formatted(port);
    long deadline = System.nanoTime() + START_TIMEOUT.toNanos();
    while (!isListening(address)) {
      if (server.isDone() || System.nanoTime() > deadline) {
        throw failure("it does not listen: port=" + port);
      }
      LockSupport.parkNanos(POLL_NANOS);
    }
  }

  private static boolean isListening(String address) {
    for (String table : List.of("/proc/self/net/tcp", "/proc/self/net/tcp6")) {
      Path file = Path.of(table);
      try {
        if (Files.isReadable(file)
            && Files.readAllLines(file).stream()
                .anyMatch(line -> line.contains(address) && line.contains(LISTENING))) {
          return true;
        }
      } catch (IOException e) {
        throw new CrossdockException("sockets cannot be listed: file=" + file + ", cause=" + e, e);
      }
    }
    return false;
  }

  /// The last line of numbers.
  static double[] figures(ToolRun.Output output) {
    List<String> lines =
        output.out().lines().filter(line -> line.matches("[\\s\\d.]*\\d[\\s\\d.]*")).toList();
    if (output.exitCode() != 0 || lines.isEmpty()) {
      throw failure("exitCode=" + output.exitCode() + ", output=" + MpiPeer.shown(output.err()));
    }
    String[] words = lines.getLast().strip().split("\\s+", -1);
    if (words.length != COLUMNS) {
      throw failure("unknown columns: line=" + lines.getLast().strip());
    }
    double[] figures = new double[COLUMNS];
    for (int i = 0; i < COLUMNS; i++) {
      figures[i] = Double.parseDouble(words[i]);
    }
    return figures;
  }

  private static WorkerFailure failure(String cause) {
    return new WorkerFailure(
        "program failed: program=" + PROGRAM + ", cause=" + cause,
        ExitCode.PEER_FAILED,
        WorkerFailure.Origin.OWN);
  }
}
