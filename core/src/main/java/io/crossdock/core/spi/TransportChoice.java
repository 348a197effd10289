package io.crossdock.core.spi;

import io.crossdock.core.EngineUnavailableException;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.ServiceLoader;

/// Which transport carries rows between nodes: the one that the property `crossdock.transport`
/// names, else the most preferred that can run here.
///
/// Safe for any thread.
public final class TransportChoice {
  /// Names a transport.
  public static final String PROPERTY = "crossdock.transport";

  private TransportChoice() {}

  /// {@return every transport of this build, most preferred first}
  public static List<TransportProvider> all() {
    List<TransportProvider> found = new ArrayList<>();
    ServiceLoader.load(TransportProvider.class, TransportChoice.class.getClassLoader())
        .forEach(found::add);
    found.sort(Comparator.comparingInt(TransportProvider::priority).reversed());
    return found;
  }

  /// {@return the transport to be taken}
  ///
  /// @throws EngineUnavailableException with all reasons, if there is none
  public static TransportProvider pick() {
    String wanted = System.getProperty(PROPERTY, "");
    List<String> reasons = new ArrayList<>();
    for (TransportProvider provider : all()) {
      if (!wanted.isEmpty() && !provider.name().equals(wanted)) {
        continue;
      }
      Availability found = provider.probe();
      if (found.isAvailable()) {
        return provider;
      }
      reasons.add(provider.name() + " " + found.reasons());
    }
    if (reasons.isEmpty()) {
      reasons.add("not in this build");
    }
    String name = wanted.isEmpty() ? "" : " " + wanted;
    throw new EngineUnavailableException("transport between nodes" + name, reasons);
  }
}
