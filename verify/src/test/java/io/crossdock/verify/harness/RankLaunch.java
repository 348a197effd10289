package io.crossdock.verify.harness;

import io.crossdock.core.spi.TransportChoice;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/// How ranks are started as processes of this machine. They run in a folder of their own, where a
/// crashed virtual machine leaves its report. A rank that lives for seconds spends most of them on
/// compiling, vector kernels above all, so ranks get there by `./check --long` alone.
///
/// Confined to one thread.
public final class RankLaunch {
  private static final String SECRET = "0123456789abcdef0123456789abcdef";
  private static final int TIMEOUT_SECONDS = 60;
  private static final List<String> NO_WARM_UP =
      List.of("-XX:TieredStopAtLevel=1", "-Dcrossdock.host.kernels=scalar");

  private final int numRanks;
  private final Map<String, String> common = new HashMap<>();
  private final Map<Integer, Map<String, String>> own = new HashMap<>();
  private final Map<Integer, List<String>> prefixes = new HashMap<>();
  private final List<String> jvmOptions = new ArrayList<>();
  private boolean needsNoWarmUp = !Thoroughness.isLong();
  private int numNodes;
  private int numStarted;

  private RankLaunch(int numRanks) {
    this.numRanks = numRanks;
    this.numNodes = NodesUnderTest.nodesOf(numRanks);
    this.numStarted = numRanks;
  }

  /// Starts with all ranks, nodes as [NodesUnderTest] says, one secret and a minute for every wait
  /// of the group.
  ///
  /// @param numRanks R
  /// @return the launch
  public static RankLaunch of(int numRanks) {
    return new RankLaunch(numRanks);
  }

  /// Divides the ranks into nodes.
  ///
  /// @param nodes divides R
  /// @return this
  public RankLaunch nodes(int nodes) {
    numNodes = nodes;
    return this;
  }

  /// Sets a variable of every rank.
  ///
  /// @param name of the variable
  /// @param value overrides
  /// @return this
  public RankLaunch environment(String name, String value) {
    common.put(name, value);
    return this;
  }

  /// Sets variables of every rank.
  ///
  /// @param variables override
  /// @return this
  public RankLaunch environment(Map<String, String> variables) {
    common.putAll(variables);
    return this;
  }

  /// Sets a variable of one rank.
  ///
  /// @param rank the one
  /// @param name of the variable
  /// @param value overrides
  /// @return this
  public RankLaunch environmentOf(int rank, String name, String value) {
    own.computeIfAbsent(rank, _ -> new HashMap<>()).put(name, value);
    return this;
  }

  /// Starts one rank through another program, for example one that enters a network namespace. It
  /// must become the rank's process itself.
  ///
  /// @param rank the one
  /// @param prefix the program and its arguments
  /// @return this
  public RankLaunch prefixOf(int rank, List<String> prefix) {
    prefixes.put(rank, prefix);
    return this;
  }

  /// Adds an option of every rank's virtual machine.
  ///
  /// @param option for example `-Dname=value`
  /// @return this
  public RankLaunch jvmOption(String option) {
    jvmOptions.add(option);
    return this;
  }

  /// Runs code that needs no warming up, also with `./check --long`: quickly compiled, scalar
  /// kernels.
  ///
  /// @return this
  public RankLaunch withoutWarmUp() {
    needsNoWarmUp = true;
    return this;
  }

  /// Leaves the last ranks out: they never come.
  ///
  /// @param ranks how many are started
  /// @return this
  public RankLaunch startOnly(int ranks) {
    numStarted = ranks;
    return this;
  }

  /// Starts the ranks with a body.
  ///
  /// @param body of each rank
  /// @param arguments of the body
  /// @return the running ranks
  public RankProcesses start(Class<? extends RankBody> body, String... arguments)
      throws IOException {
    List<String> all = new ArrayList<>(List.of(body.getName()));
    all.addAll(List.of(arguments));
    return startMain(RankMain.class, all.toArray(String[]::new));
  }

  /// Starts the ranks with a program of their own, which joins the group itself or does not.
  ///
  /// @param main has a main method
  /// @param arguments of the program
  /// @return the running ranks
  public RankProcesses startMain(Class<?> main, String... arguments) throws IOException {
    Path folder = Files.createTempDirectory("crossdock-ranks-");
    RankProcesses ranks = new RankProcesses(folder);
    int port = freePort();
    try {
      for (int rank = 0; rank < numStarted; rank++) {
        ProcessBuilder builder = new ProcessBuilder(command(rank, main, arguments));
        builder.directory(folder.toFile()).redirectErrorStream(true);
        Map<String, String> variables = builder.environment();
        variables.putAll(variables(rank, port));
        variables.putAll(common);
        variables.putAll(own.getOrDefault(rank, Map.of()));
        ranks.add(builder.start());
      }
      return ranks;
    } catch (IOException | RuntimeException e) {
      ranks.close();
      throw e;
    }
  }

  private Map<String, String> variables(int rank, int port) {
    int numLocalRanks = numRanks / numNodes;
    return Map.of(
        "RANK", Integer.toString(rank),
        "LOCAL_RANK", Integer.toString(rank % numLocalRanks),
        "WORLD_SIZE", Integer.toString(numRanks),
        "LOCAL_WORLD_SIZE", Integer.toString(numLocalRanks),
        "MASTER_ADDR", "127.0.0.1",
        "MASTER_PORT", Integer.toString(port),
        "CROSSDOCK_SECRET", SECRET,
        "CROSSDOCK_TIMEOUT_SECONDS", Integer.toString(TIMEOUT_SECONDS));
  }

  private List<String> command(int rank, Class<?> main, String... arguments) {
    List<String> command = new ArrayList<>(prefixes.getOrDefault(rank, List.of()));
    command.addAll(
        List.of(
            Path.of(System.getProperty("java.home"), "bin", "java").toString(),
            "--enable-native-access=ALL-UNNAMED",
            "--add-modules",
            "jdk.incubator.vector",
            "-Xmx512m",
            "-XX:+UseSerialGC",
            "-XX:-CreateCoredumpOnCrash",
            "-XX:ErrorFile=" + RankProcesses.CRASH_PREFIX + "%p.log"));
    command.add("-D" + EngineUnderTest.PROPERTY + "=" + EngineUnderTest.name());
    if (!NodesUnderTest.transport().isEmpty()) {
      command.add("-D" + TransportChoice.PROPERTY + "=" + NodesUnderTest.transport());
    }
    if (needsNoWarmUp) {
      command.addAll(NO_WARM_UP);
    }
    command.addAll(jvmOptions);
    command.addAll(List.of("-cp", System.getProperty("java.class.path"), main.getName()));
    command.addAll(List.of(arguments));
    return command;
  }

  private static int freePort() throws IOException {
    try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      return socket.getLocalPort();
    }
  }
}
