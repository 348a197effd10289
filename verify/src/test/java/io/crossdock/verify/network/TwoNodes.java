package io.crossdock.verify.network;

import io.crossdock.ffi.NativeCallException;
import io.crossdock.verify.harness.Bounded;
import io.crossdock.verify.harness.RankLaunch;
import io.crossdock.verify.harness.Tool;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;
import org.junit.jupiter.api.Assumptions;

/// Two network namespaces of this machine that stand for two nodes, joined by one link. Ranks run
/// in them as processes, and nothing but the link leads from one to the other. Linux, as root; a
/// test is skipped with the reason where that is not allowed.
///
/// ```
///  VETH    node 0 [wire0] === kernel === [wire0] node 1       as fast as memory
///  CABLE   node 0 [wire0] --- [Cable] --- [wire0] node 1      delays, loses, stops
/// ```
///
/// Several may be open at once, of several processes too: names have the process id in them. What a
/// process that was killed left behind is removed by the next one.
///
/// Confined to the thread of the test.
final class TwoNodes implements AutoCloseable {
  /// Name of the link's interface on both nodes.
  static final String DEVICE = "wire0";

  /// Where ranks meet. Nobody else is there, and the kernel gives it to nobody.
  static final int PORT = 29500;

  private static final String PREFIX = "crossdock-";
  private static final Duration LINK = Duration.ofSeconds(10);
  private static final Path NAMESPACES = Path.of("/run/netns");
  private static final long PID = ProcessHandle.current().pid();
  private static final AtomicInteger NUMBERS = new AtomicInteger();

  private final int number = NUMBERS.getAndIncrement();
  private final String name = PREFIX + PID + "-" + number + "-";
  private final List<Integer> nodes = new ArrayList<>();
  private Cable cable;

  /// What joins the nodes.
  enum Link {
    /// A pair of interfaces of the kernel.
    VETH,
    /// Two interfaces whose packets this process carries.
    CABLE
  }

  private TwoNodes() {}

  /// Makes two nodes and joins them; skips the test where that is not allowed.
  ///
  /// @param link between them
  /// @param seed of what happens at random in a [Cable]
  /// @return both nodes, up
  static TwoNodes open(Link link, long seed) throws IOException {
    sweep();
    TwoNodes made = new TwoNodes();
    try {
      String problem = made.build(link, seed);
      Assumptions.assumeTrue(problem.isEmpty(), () -> "no two nodes can be made here: " + problem);
      return made;
    } catch (RuntimeException | AssertionError e) {
      made.close();
      throw e;
    }
  }

  /// Removes nodes of processes that are gone.
  private static void sweep() throws IOException {
    if (!Files.isDirectory(NAMESPACES)) {
      return;
    }
    try (Stream<Path> found = Files.list(NAMESPACES)) {
      for (Path path : found.toList()) {
        String[] parts = path.getFileName().toString().split("-", -1);
        boolean ours = parts.length == 4 && path.getFileName().toString().startsWith(PREFIX);
        if (ours && ProcessHandle.of(Long.parseLong(parts[1])).isEmpty()) {
          remove(path.getFileName().toString());
        }
      }
    }
  }

  /// Another process may have removed it meanwhile.
  private static String remove(String namespace) {
    return Tool.problemOf(List.of("ip", "netns", "delete", namespace));
  }

  private String build(Link link, long seed) {
    for (int node = 0; node < 2; node++) {
      String problem = Tool.problemOf(List.of("ip", "netns", "add", namespace(node)));
      if (!problem.isEmpty()) {
        return problem;
      }
      nodes.add(node);
    }
    String problem = link == Link.VETH ? joinByKernel() : joinByCable(seed);
    for (int node = 0; node < 2 && problem.isEmpty(); node++) {
      problem = bringUp(node);
    }
    if (problem.isEmpty()) {
      awaitLink();
    }
    return problem;
  }

  private String joinByKernel() {
    return ip(
        "link add "
            + DEVICE
            + " netns "
            + namespace(0)
            + " type veth peer name "
            + DEVICE
            + " netns "
            + namespace(1));
  }

  private String joinByCable(long seed) {
    List<Tun> ends = new ArrayList<>();
    String problem = "";
    try {
      for (int node = 0; node < 2 && problem.isEmpty(); node++) {
        String passing = "x" + PID + "n" + (2 * number + node) % 1000;
        ends.add(Tun.create(passing));
        problem = ip("link set dev " + passing + " netns " + namespace(node) + " name " + DEVICE);
      }
    } catch (NativeCallException e) {
      problem = e.getMessage();
    }
    if (problem.isEmpty()) {
      cable = new Cable(ends, seed);
    } else {
      ends.forEach(Tun::close);
    }
    return problem;
  }

  private String bringUp(int node) {
    List<String> commands = new ArrayList<>();
    commands.add("addr add " + address(node) + "/24 dev " + DEVICE);
    if (hasIpv6()) {
      commands.add("addr add " + address6(node) + "/64 dev " + DEVICE + " nodad");
    }
    commands.add("link set dev lo up");
    commands.add("link set dev " + DEVICE + " up");
    for (String command : commands) {
      String problem = ip("-n " + namespace(node) + " " + command);
      if (!problem.isEmpty()) {
        return problem;
      }
    }
    return "";
  }

  /// The kernel takes up to a second to say that a link is up, and UCX passes over it until then.
  private void awaitLink() {
    for (int node = 0; node < 2; node++) {
      int here = node;
      Bounded.await("link is up: node=" + node, LINK, () -> isUp(here));
    }
  }

  private boolean isUp(int node) {
    String state = fact(node, "operstate");
    return state.equals("up") || state.equals("unknown");
  }

  /// {@return true if nodes have IPv6 addresses too}
  static boolean hasIpv6() {
    return Files.exists(Path.of("/proc/net/if_inet6"));
  }

  private static String ip(String arguments) {
    List<String> command = new ArrayList<>(List.of("ip"));
    command.addAll(List.of(arguments.split(" ", -1)));
    return Tool.problemOf(command);
  }

  private String namespace(int node) {
    return name + node;
  }

  /// {@return the IPv4 address of a node}
  ///
  /// @param node 0 or 1
  static String address(int node) {
    return "10.77.0." + (node + 1);
  }

  /// {@return the IPv6 address of a node}
  ///
  /// @param node 0 or 1
  static String address6(int node) {
    return "fd77::" + (node + 1);
  }

  /// {@return what a command must begin with to run on a node, as the same process}
  ///
  /// @param node 0 or 1
  List<String> on(int node) {
    return List.of("ip", "netns", "exec", namespace(node));
  }

  /// {@return ranks of both nodes that are not started yet: node by node, with addresses and
  /// devices of the link, nothing but TCP between nodes, and code that needs no warming up}
  ///
  /// @param ranksPerNode ranks of each node
  RankLaunch launch(int ranksPerNode) {
    RankLaunch launch =
        RankLaunch.of(2 * ranksPerNode)
            .environment("LOCAL_WORLD_SIZE", Integer.toString(ranksPerNode))
            .environment("MASTER_ADDR", address(0))
            .environment("MASTER_PORT", Integer.toString(PORT))
            .withoutWarmUp()
            .environment("UCX_TLS", "tcp")
            .environment("UCX_NET_DEVICES", DEVICE);
    for (int rank = 0; rank < 2 * ranksPerNode; rank++) {
      launch.environmentOf(rank, "LOCAL_RANK", Integer.toString(rank % ranksPerNode));
      launch.prefixOf(rank, on(rank / ranksPerNode));
    }
    return launch;
  }

  /// {@return what carries the packets}
  Cable cable() {
    if (cable == null) {
      throw new IllegalStateException("nodes are joined by the kernel: name=" + name);
    }
    return cable;
  }

  /// Sets an option of a node's network.
  ///
  /// @param node 0 or 1
  /// @param option for example `ipv4/tcp_rmem`
  /// @param value of it
  void option(int node, String option, String value) {
    run(node, "sh", "-c", "echo '" + value + "' > /proc/sys/net/" + option);
  }

  private void run(int node, String... command) {
    List<String> all = new ArrayList<>(on(node));
    all.addAll(List.of(command));
    Tool.outputOf(all);
  }

  /// {@return bytes that a node sent over the link, headers included}
  ///
  /// @param node 0 or 1
  long sentBytes(int node) {
    return Long.parseLong(fact(node, "statistics/tx_bytes"));
  }

  /// {@return bytes that a node received over the link, headers included}
  ///
  /// @param node 0 or 1
  long receivedBytes(int node) {
    return Long.parseLong(fact(node, "statistics/rx_bytes"));
  }

  private String fact(int node, String name) {
    List<String> command = new ArrayList<>(on(node));
    command.addAll(List.of("cat", "/sys/class/net/" + DEVICE + "/" + name));
    return Tool.outputOf(command).strip();
  }

  /// Removes both nodes and the link. Ranks must have ended.
  @Override
  public void close() {
    StringBuilder problems = new StringBuilder();
    if (cable != null) {
      cable.close();
      cable = null;
    }
    while (!nodes.isEmpty()) {
      problems.append(remove(namespace(nodes.removeLast())));
    }
    if (!problems.isEmpty()) {
      throw new AssertionError("nodes are still there: " + problems);
    }
  }
}
