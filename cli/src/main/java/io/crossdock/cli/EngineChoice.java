package io.crossdock.cli;

import io.crossdock.core.DeviceInfo;
import io.crossdock.core.Engine;
import io.crossdock.core.EngineUnavailableException;
import io.crossdock.core.Engines;
import io.crossdock.core.InvalidInputException;
import java.io.PrintWriter;
import java.time.Duration;
import java.util.List;
import picocli.CommandLine.Option;

/// The engine and launch options that several commands share.
///
/// Confined to one thread.
final class EngineChoice {
  /// The engine that runs over several nodes.
  static final String NODES_ENGINE = "host";

  @Option(
      names = "--engine",
      defaultValue = "auto",
      description = "auto, host or cuda (default: ${DEFAULT-VALUE}).")
  private String engine;

  @Option(
      names = "--launch",
      description = {
        "Ranks as threads or processes (default: processes; threads where all ranks share one GPU,"
            + " which runs kernels of one process at a time)."
      })
  private LaunchMode launch;

  @Option(
      names = "--nodes",
      description = {
        "Nodes of equal size that ranks are split into (default: 1; bench internode: 2). Ranks of one"
            + " node share memory; to others they reach through a transport."
      })
  private Integer nodes;

  @Option(
      names = "--transport",
      paramLabel = "NAME",
      description =
          "Transport between nodes, where there are several (default: the most preferred that works here).")
  private String transport;

  @Option(
      names = "--timeout",
      defaultValue = "3600",
      description = "Seconds the whole job may take (default: ${DEFAULT-VALUE}).")
  private int timeoutSeconds;

  private Engine opened;
  private int defaultNodes = 1;
  private boolean isForNodesToo;

  /// {@return the name of an engine that can run here; says on the writer why it was chosen}
  String resolve(PrintWriter log) {
    if (nodes() < 1 || timeoutSeconds < 1) {
      throw new InvalidInputException(
          "option out of range: nodes=" + nodes() + ", timeout=" + timeoutSeconds);
    }
    if (transport != null && nodes() == 1 && !isForNodesToo) {
      throw new InvalidInputException(
          "one node has no transport between nodes: transport="
              + transport
              + ", nodes=1, remedy=--nodes");
    }
    opened = nodes() > 1 ? openForNodes(log) : openForOne(log);
    log.flush();
    return opened.name();
  }

  private Engine openForOne(PrintWriter log) {
    return engine.equals("auto") ? Engines.auto(log::println) : Engines.open(engine);
  }

  private Engine openForNodes(PrintWriter log) {
    boolean isAuto = engine.equals("auto");
    if (!isAuto && !engine.equals(NODES_ENGINE)) {
      throw new EngineUnavailableException(
          engine, List.of("this engine runs on one node: nodes=" + nodes()));
    }
    if (isAuto) {
      log.println("engine=" + NODES_ENGINE + " (the one that runs over several nodes)");
    }
    return Engines.open(NODES_ENGINE);
  }

  /// {@return where ranks run, once the engine was resolved}
  ///
  /// @param ranks how many
  /// @throws InvalidInputException if they do not split into the nodes
  /// @throws EngineUnavailableException if no transport can run between several nodes
  JobShape shape(int ranks) {
    JobShape shape = new JobShape(ranks, nodes(), launch(), transport, timeout());
    if (nodes() > 1) {
      NodeTransport.check(transport);
    }
    return shape;
  }

  /// {@return the devices that ranks are spread over, once the engine was resolved; empty on the
  /// host engine}
  List<DeviceInfo> devices() {
    return opened.devices();
  }

  /// {@return how ranks run, once the engine was resolved}
  LaunchMode launch() {
    if (launch != null) {
      return launch;
    }
    return devices().size() == 1 ? LaunchMode.threads : LaunchMode.processes;
  }

  /// {@return the transport between nodes by name; null lets the buffer choose}
  String transport() {
    return transport;
  }

  int nodes() {
    return nodes == null ? defaultNodes : nodes;
  }

  /// What `--nodes` is where it is not given.
  void setDefaultNodes(int value) {
    defaultNodes = value;
  }

  /// Takes a transport with one node as well: the command shows several nodes besides.
  void takeTransportAnyway() {
    isForNodesToo = true;
  }

  Duration timeout() {
    return Duration.ofSeconds(timeoutSeconds);
  }
}
