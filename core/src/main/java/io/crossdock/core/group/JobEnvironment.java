package io.crossdock.core.group;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/// What environment variables say about a job; [ProcessGroups] lists them.
///
/// Safe for any thread.
final class JobEnvironment {
  private static final String DEFAULT_HOST = "127.0.0.1";
  private static final int DEFAULT_PORT = 29_500;

  /// One or more nodes of equally many tasks, as Slurm writes it: `4` or `4(x2)`.
  private static final Pattern NODES = Pattern.compile("(\\d{1,9})(?:\\(x(\\d{1,9})\\))?");

  private static final Pattern HEX = Pattern.compile("(?:[0-9a-fA-F]{2}){16,}");

  /// The programs that start ranks, in the order in which they are believed. Of Slurm's variables
  /// only those of a step tell of this very `srun`: others may be the allocation's.
  private enum Launcher {
    TORCHRUN("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE"),
    OPEN_MPI(
        "OMPI_COMM_WORLD_RANK",
        "OMPI_COMM_WORLD_SIZE",
        "OMPI_COMM_WORLD_LOCAL_RANK",
        "OMPI_COMM_WORLD_LOCAL_SIZE"),
    SLURM("SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "SLURM_LOCALID", "SLURM_STEP_TASKS_PER_NODE");

    private final String rank;
    private final String size;
    private final String localRank;
    private final String localSize;

    Launcher(String rank, String size, String localRank, String localSize) {
      this.rank = rank;
      this.size = size;
      this.localRank = localRank;
      this.localSize = localSize;
    }

    private List<String> names() {
      return List.of(rank, size, localRank, localSize);
    }
  }

  private final Map<String, String> variables;

  /// Which of the ranks this process is.
  record Place(int rank, int size, int localSize) {
    private static final Place ALONE = new Place(0, 1, 1);
  }

  JobEnvironment(Map<String, String> variables) {
    this.variables = Map.copyOf(variables);
  }

  /// {@return the place that the first launcher with a rank gives}
  Place place() {
    for (Launcher launcher : Launcher.values()) {
      if (isSet(launcher.rank) && !isBatchScript(launcher)) {
        return place(launcher);
      }
    }
    requireNone(Launcher.TORCHRUN);
    requireNone(Launcher.OPEN_MPI);
    return Place.ALONE;
  }

  /// Slurm numbers a batch script like the first task, though no `srun` started it.
  private boolean isBatchScript(Launcher launcher) {
    return launcher == Launcher.SLURM
        && !isSet(launcher.size)
        && !isSet(launcher.localSize)
        && number(launcher.rank) == 0;
  }

  private Place place(Launcher launcher) {
    List<String> missing = launcher.names().stream().filter(name -> !isSet(name)).toList();
    if (!missing.isEmpty()) {
      throw halfSet(launcher, missing);
    }
    int rank = number(launcher.rank);
    int size = number(launcher.size);
    int localRank = number(launcher.localRank);
    int localSize = launcher == Launcher.SLURM ? slurmLocalSize(size) : number(launcher.localSize);
    TcpGroupSettings.requirePlace(rank, size, localSize);
    if (localRank != rank % localSize) {
      throw new GroupConfigException(
          "ranks are not numbered node by node: %s=%d, expected=%d, localSize=%d, %s=%d"
              .formatted(
                  launcher.localRank, localRank, rank % localSize, localSize, launcher.rank, rank));
    }
    return new Place(rank, size, localSize);
  }

  private void requireNone(Launcher launcher) {
    if (launcher.names().stream().anyMatch(this::isSet)) {
      throw halfSet(launcher, launcher.names().stream().filter(name -> !isSet(name)).toList());
    }
  }

  private GroupConfigException halfSet(Launcher launcher, List<String> missing) {
    List<String> set = launcher.names().stream().filter(this::isSet).toList();
    return new GroupConfigException(
        "variables of the job are half set: missing=" + missing + ", set=" + set);
  }

  private int slurmLocalSize(int size) {
    String name = Launcher.SLURM.localSize;
    int localSize = 0;
    long total = 0;
    for (String nodes : value(name).split(",", -1)) {
      Matcher matcher = NODES.matcher(nodes);
      if (!matcher.matches()) {
        throw unusable(name, "not a list like 4(x2)");
      }
      int numTasks = Integer.parseInt(matcher.group(1));
      if (localSize != 0 && localSize != numTasks) {
        throw unusable(name, "nodes are unequal");
      }
      localSize = numTasks;
      String repeat = matcher.group(2);
      total += (long) numTasks * (repeat == null ? 1 : Integer.parseInt(repeat));
    }
    if (total != size) {
      throw unusable(name, "does not add up to " + Launcher.SLURM.size + "=" + size);
    }
    return localSize;
  }

  /// {@return the settings of a group of several ranks}
  TcpGroupSettings settings(Place place) {
    String host = isSet("MASTER_ADDR") ? value("MASTER_ADDR") : DEFAULT_HOST;
    int port = isSet("MASTER_PORT") ? number("MASTER_PORT") : DEFAULT_PORT;
    return new TcpGroupSettings(
        place.rank, place.size, place.localSize, host, port, secret(place), timeout());
  }

  private byte[] secret(Place place) {
    if (isSet("CROSSDOCK_SECRET")) {
      return decode(value("CROSSDOCK_SECRET").getBytes(StandardCharsets.UTF_8));
    }
    if (isSet("CROSSDOCK_SECRET_FILE")) {
      return decode(readSecret(value("CROSSDOCK_SECRET_FILE")));
    }
    throw new GroupSecretException(
        "job secret is not set: size=%d, remedy=%s, rank=%d"
            .formatted(
                place.size,
                "set CROSSDOCK_SECRET or CROSSDOCK_SECRET_FILE alike on all ranks",
                place.rank));
  }

  private static byte[] readSecret(String file) {
    try {
      byte[] bytes = Files.readAllBytes(Path.of(file));
      int length = bytes.length;
      while (length > 0 && (bytes[length - 1] == '\n' || bytes[length - 1] == '\r')) {
        length--;
      }
      return Arrays.copyOf(bytes, length);
    } catch (IOException | InvalidPathException e) {
      throw new GroupConfigException(
          "job secret cannot be read: CROSSDOCK_SECRET_FILE=" + file + ", cause=" + e, e);
    }
  }

  private static byte[] decode(byte[] secret) {
    String text = new String(secret, StandardCharsets.ISO_8859_1);
    return HEX.matcher(text).matches() ? HexFormat.of().parseHex(text) : secret;
  }

  /// {@return the bound of every wait}
  Duration timeout() {
    return isSet("CROSSDOCK_TIMEOUT_SECONDS")
        ? Duration.ofSeconds(number("CROSSDOCK_TIMEOUT_SECONDS"))
        : ProcessGroup.DEFAULT_TIMEOUT;
  }

  private boolean isSet(String name) {
    return !variables.getOrDefault(name, "").isBlank();
  }

  private String value(String name) {
    return variables.get(name).strip();
  }

  private int number(String name) {
    try {
      return Integer.parseInt(value(name));
    } catch (NumberFormatException e) {
      throw new GroupConfigException("variable is not a number: " + name + "=" + value(name), e);
    }
  }

  private GroupConfigException unusable(String name, String why) {
    return new GroupConfigException(
        "variable is unusable: " + name + "=" + value(name) + ", why=" + why);
  }
}
