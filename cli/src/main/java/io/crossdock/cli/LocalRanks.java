package io.crossdock.cli;

import io.crossdock.core.CrossdockException;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.charset.StandardCharsets;
import java.security.SecureRandom;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;

/// Starts one process a rank on this machine, with the rendezvous in its environment and a fresh
/// job secret, and sees to it that none outlives the job.
///
/// Confined to the thread that created it.
final class LocalRanks implements AutoCloseable {
  private static final int SECRET_BYTES = 32;

  /// Said by Java at every start with the Vector API; once is enough.
  private static final String INCUBATOR_WARNING =
      "WARNING: Using incubator modules: jdk.incubator.vector";

  private static final long POLL_MILLIS = 20;
  private static final Duration GRACE = Duration.ofSeconds(10);

  private final List<Process> ranks = new ArrayList<>();
  private final List<Thread> pumps = new ArrayList<>();
  private OptionalInt firstFailure = OptionalInt.empty();
  private final Thread hook = new Thread(this::kill, "crossdock-kill-ranks");

  LocalRanks() {
    Runtime.getRuntime().addShutdownHook(hook);
  }

  /// Starts the ranks.
  ///
  /// @param numRanks how many
  /// @param numNodes that they are told to be on; divides their number
  /// @param command what each runs
  /// @param out takes their output, each line with its rank in front
  void start(int numRanks, int numNodes, List<String> command, PrintStream out) {
    int localRanks = numRanks / numNodes;
    Map<String, String> job = rendezvous(numRanks, localRanks);
    for (int rank = 0; rank < numRanks; rank++) {
      ProcessBuilder builder = new ProcessBuilder(command).redirectErrorStream(true);
      builder.environment().putAll(job);
      builder.environment().put("RANK", Integer.toString(rank));
      builder.environment().put("LOCAL_RANK", Integer.toString(rank % localRanks));
      try {
        Process process = builder.start();
        ranks.add(process);
        pumps.add(pump(rank, process.getInputStream(), out));
      } catch (IOException e) {
        throw new CrossdockException(
            "rank could not be started: rank="
                + rank
                + ", command="
                + command.getFirst()
                + ", cause="
                + e.getMessage(),
            e);
      }
    }
  }

  private static Map<String, String> rendezvous(int numRanks, int localRanks) {
    byte[] secret = new byte[SECRET_BYTES];
    new SecureRandom().nextBytes(secret);
    return Map.of(
        "WORLD_SIZE",
        Integer.toString(numRanks),
        "LOCAL_WORLD_SIZE",
        Integer.toString(localRanks),
        "MASTER_ADDR",
        "127.0.0.1",
        "MASTER_PORT",
        Integer.toString(freePort()),
        "CROSSDOCK_SECRET",
        HexFormat.of().formatHex(secret));
  }

  /// {@return a port that nobody uses now}
  static int freePort() {
    try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      return socket.getLocalPort();
    } catch (IOException e) {
      throw new CrossdockException("no free port for the rendezvous: cause=" + e, e);
    }
  }

  private static Thread pump(int rank, InputStream from, PrintStream out) {
    return Thread.ofVirtual()
        .start(() -> {
          try (BufferedReader lines =
              new BufferedReader(new InputStreamReader(from, StandardCharsets.UTF_8))) {
            for (String line = lines.readLine(); line != null; line = lines.readLine()) {
              if (!line.equals(INCUBATOR_WARNING)) {
                out.println("[rank " + rank + "] " + line);
              }
            }
          } catch (IOException e) {
            out.println("[rank " + rank + "] (output lost: " + e.getMessage() + ")");
          }
        });
  }

  /// {@return process ids, by rank}
  List<Long> pids() {
    return ranks.stream().map(Process::pid).toList();
  }

  /// Waits until all ranks ended. When one fails the others get a while to end by themselves and
  /// are then killed.
  ///
  /// @param timeout of the whole job
  /// @return exit code of each rank
  /// @throws WorkerFailure if the job takes longer
  List<Integer> await(Duration timeout) {
    long deadline = System.nanoTime() + timeout.toNanos();
    long graceEnd = Long.MAX_VALUE;
    while (ranks.stream().anyMatch(Process::isAlive)) {
      long now = System.nanoTime();
      if (graceEnd == Long.MAX_VALUE && anyFailed()) {
        graceEnd = now + GRACE.toNanos();
      }
      if (now > graceEnd) {
        kill();
      }
      if (now > deadline) {
        kill();
        throw new WorkerFailure(
            "job took too long: timeoutMs=" + timeout.toMillis(),
            ExitCode.PEER_FAILED,
            WorkerFailure.Origin.OWN);
      }
      awaitAny();
    }
    joinPumps();
    return ranks.stream().map(Process::exitValue).toList();
  }

  private boolean anyFailed() {
    for (Process rank : ranks) {
      if (!rank.isAlive() && rank.exitValue() != 0) {
        firstFailure = OptionalInt.of(rank.exitValue());
        return true;
      }
    }
    return false;
  }

  /// {@return the exit code of the rank that was seen to fail first}
  OptionalInt firstFailure() {
    return firstFailure;
  }

  private void awaitAny() {
    CompletableFuture<?>[] exits =
        ranks.stream()
            .filter(Process::isAlive)
            .map(Process::onExit)
            .toArray(CompletableFuture<?>[]::new);
    CompletableFuture.anyOf(exits)
        .completeOnTimeout(null, POLL_MILLIS, TimeUnit.MILLISECONDS)
        .join();
  }

  private void joinPumps() {
    for (Thread pump : pumps) {
      try {
        if (!pump.join(GRACE)) {
          return;
        }
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        return;
      }
    }
  }

  private void kill() {
    for (Process rank : ranks) {
      rank.descendants().forEach(ProcessHandle::destroyForcibly);
      rank.destroyForcibly();
    }
  }

  @Override
  public void close() {
    kill();
    try {
      Runtime.getRuntime().removeShutdownHook(hook);
    } catch (IllegalStateException e) {
      // The machine is shutting down: the hook does the same.
      kill();
    }
  }
}
