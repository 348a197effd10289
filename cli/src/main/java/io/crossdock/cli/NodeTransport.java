package io.crossdock.cli;

import io.crossdock.core.EngineInfo;
import io.crossdock.core.EngineUnavailableException;
import io.crossdock.core.Transports;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/// The transports between nodes, as commands see them.
///
/// Safe for any thread.
final class NodeTransport {
  static final String INSTALL = "apt-get install libucx0";

  private NodeTransport() {}

  /// {@return the transport that a job gets, if one can run here}
  ///
  /// @param name of the one that is wanted; null for the most preferred
  static Optional<EngineInfo> find(String name) {
    return wanted(name).stream().filter(EngineInfo::isAvailable).findFirst();
  }

  /// Refuses a job that would only fail after every rank was started.
  ///
  /// @param name of the transport that is wanted; null for the most preferred
  /// @throws EngineUnavailableException with all reasons, if none can run here
  static void check(String name) {
    if (find(name).isPresent()) {
      return;
    }
    throw new EngineUnavailableException(
        name == null ? "transport between nodes" : "transport " + name, reasons(name));
  }

  /// {@return why there is no transport}
  ///
  /// @param name of the one that is wanted; null for any
  static List<String> reasons(String name) {
    List<String> reasons = new ArrayList<>();
    for (EngineInfo info : wanted(name)) {
      reasons.add(info.name() + " " + info.reasons() + ", remedy=" + INSTALL);
    }
    if (reasons.isEmpty()) {
      List<String> known = Transports.list().stream().map(EngineInfo::name).toList();
      reasons.add("this build has no such transport: known=" + known);
    }
    return reasons;
  }

  /// {@return the version of UCX, or null if it cannot run here}
  static String ucx() {
    return find("ucx")
        .map(info -> info.description().split(",", 2)[0].replace("UCX ", ""))
        .orElse(null);
  }

  private static List<EngineInfo> wanted(String name) {
    return Transports.list().stream()
        .filter(info -> name == null || info.name().equals(name))
        .toList();
  }
}
