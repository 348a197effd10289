package io.crossdock.core;

import io.crossdock.core.spi.Availability;
import io.crossdock.core.spi.TransportChoice;
import io.crossdock.core.spi.TransportProvider;
import java.util.List;

/// Tells which transports between nodes this build has. A buffer of several nodes takes the most
/// preferred that can run, or the one that the property `crossdock.transport` names.
///
/// Safe for any thread.
public final class Transports {
  private Transports() {}

  /// {@return every transport, most preferred first, and whether it can run here}
  public static List<EngineInfo> list() {
    return TransportChoice.all().stream().map(Transports::info).toList();
  }

  private static EngineInfo info(TransportProvider provider) {
    Availability found = provider.probe();
    return new EngineInfo(provider.name(), found.description(), found.reasons());
  }

  /// Looks closer at a transport: its devices, and the settings in effect for each mode.
  ///
  /// @param name for example `ucx`
  /// @return a line each; empty for an unknown transport
  public static List<String> details(String name) {
    return TransportChoice.all().stream()
        .filter(provider -> provider.name().equals(name))
        .flatMap(provider -> provider.details().stream())
        .toList();
  }
}
