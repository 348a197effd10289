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
      defaultValue = "1",
      description = "Nodes the ranks are split into (default: ${DEFAULT-VALUE}).")
  private int nodes;

  @Option(
      names = "--timeout",
      defaultValue = "3600",
      description = "Seconds the whole job may take (default: ${DEFAULT-VALUE}).")
  private int timeoutSeconds;

  private Engine opened;

  /// {@return the name of an engine that can run here; says on the writer why it was chosen}
  String resolve(PrintWriter log) {
    if (nodes < 1 || timeoutSeconds < 1) {
      throw new InvalidInputException(
          "option out of range: nodes=" + nodes + ", timeout=" + timeoutSeconds);
    }
    if (nodes != 1) {
      throw new EngineUnavailableException(
          "ucx", List.of("this build has no scale-out transport: nodes=" + nodes));
    }
    opened = engine.equals("auto") ? Engines.auto(log::println) : Engines.open(engine);
    log.flush();
    return opened.name();
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

  int nodes() {
    return nodes;
  }

  Duration timeout() {
    return Duration.ofSeconds(timeoutSeconds);
  }
}
