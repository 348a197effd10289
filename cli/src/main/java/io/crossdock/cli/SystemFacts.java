package io.crossdock.cli;

import io.crossdock.core.CrossdockException;
import io.crossdock.core.InvalidInputException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.TimeUnit;

/// Facts about the machine, for reports.
///
/// Safe for any thread.
final class SystemFacts {
  private static final int GIT_TIMEOUT_SECONDS = 5;

  private SystemFacts() {}

  /// {@return what a report says of the machine}
  ///
  /// @param gpu that was used, or null
  /// @param ucx version that was used, or null
  static Map<String, Object> host(String gpu, String ucx) {
    Map<String, Object> host = new LinkedHashMap<>();
    host.put("cpu", cpuModel() + " x " + Runtime.getRuntime().availableProcessors());
    host.put("gpu", gpu);
    host.put("jdk", Runtime.version().toString());
    host.put("ucx", ucx);
    host.put("commit", commit());
    return host;
  }

  static String cpuModel() {
    return lineValue(Path.of("/proc/cpuinfo"), "model name").orElse(System.getProperty("os.arch"));
  }

  static Path sharedMemory() {
    return Path.of(System.getProperty("crossdock.shm.dir", "/dev/shm"));
  }

  static long sharedMemoryUsableBytes() {
    try {
      return Files.getFileStore(sharedMemory()).getUsableSpace();
    } catch (IOException e) {
      throw new CrossdockException(
          "shared memory cannot be looked at: directory=" + sharedMemory() + ", cause=" + e, e);
    }
  }

  /// Refuses what would only fail after every rank was started.
  ///
  /// @param numRanks of the job
  /// @param bytesOfRank shared memory that each needs
  static void checkSharedMemory(int numRanks, long bytesOfRank) {
    long needed = Math.multiplyExact(numRanks, bytesOfRank);
    long usable = sharedMemoryUsableBytes();
    if (needed > usable) {
      throw new InvalidInputException(
          "windows do not fit into shared memory: neededBytes="
              + needed
              + ", usableBytes="
              + usable
              + ", remedy=fewer --tokens or --ranks");
    }
  }

  /// {@return bytes that went through the loopback interface so far; 0 if nobody counts them}
  static long loopbackBytes() {
    return lineValue(Path.of("/proc/self/net/dev"), "    lo:")
        .map(line -> Long.parseLong(line.split("\\s+", -1)[0]))
        .orElse(0L);
  }

  /// {@return whether this process is the superuser's}
  static boolean isRoot() {
    try {
      return Files.getAttribute(Path.of("/proc/self"), "unix:uid").equals(0);
    } catch (IOException e) {
      return false;
    }
  }

  static Optional<String> lineValue(Path file, String key) {
    try {
      return Files.readAllLines(file).stream()
          .filter(line -> line.startsWith(key))
          .map(line -> line.substring(line.indexOf(':') + 1).strip())
          .findFirst();
    } catch (IOException e) {
      return Optional.empty();
    }
  }

  /// {@return the commit of the sources, handed over by the launcher or asked of git}
  static String commit() {
    String given = System.getProperty("crossdock.commit");
    String home = System.getProperty("crossdock.home", ".");
    return given != null
        ? given
        : firstLine(List.of("git", "-C", home, "rev-parse", "HEAD")).orElse("unknown");
  }

  static Optional<String> firstLine(List<String> command) {
    try {
      Process process =
          new ProcessBuilder(command)
              .redirectErrorStream(true)
              .redirectInput(ProcessBuilder.Redirect.from(Path.of("/dev/null").toFile()))
              .start();
      String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
      boolean done = process.waitFor(GIT_TIMEOUT_SECONDS, TimeUnit.SECONDS);
      return done && process.exitValue() == 0 ? output.lines().findFirst() : Optional.empty();
    } catch (IOException e) {
      return Optional.empty();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return Optional.empty();
    }
  }
}
