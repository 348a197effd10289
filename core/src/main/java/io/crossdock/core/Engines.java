package io.crossdock.core;

import io.crossdock.core.spi.Availability;
import io.crossdock.core.spi.EngineProvider;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.ServiceLoader;
import java.util.function.Consumer;

/// Finds the engines on the class or module path.
///
/// Safe for any thread.
public final class Engines {
  private Engines() {}

  /// {@return every engine of this build, most preferred first, and whether it can run here}
  public static List<EngineInfo> list() {
    return providers().stream().map(Engines::info).toList();
  }

  /// Opens an engine by name.
  ///
  /// @param name for example `host`
  /// @return the engine
  /// @throws EngineUnavailableException with all reasons, if it is unknown or cannot run here
  public static Engine open(String name) {
    List<EngineProvider> all = providers();
    for (EngineProvider provider : all) {
      if (provider.name().equals(name)) {
        EngineInfo info = info(provider);
        if (!info.isAvailable()) {
          throw new EngineUnavailableException(name, info.reasons());
        }
        return new Engine(provider);
      }
    }
    List<String> names = all.stream().map(EngineProvider::name).toList();
    throw new EngineUnavailableException(name, List.of("not in this build, known=" + names));
  }

  /// Opens the most preferred engine that can run here and says in one line which, and why not the
  /// others.
  ///
  /// @param log takes the line
  /// @return the engine
  public static Engine auto(Consumer<String> log) {
    StringBuilder passed = new StringBuilder();
    for (EngineProvider provider : providers()) {
      EngineInfo info = info(provider);
      if (info.isAvailable()) {
        log.accept("engine=" + info.name() + " (" + info.description() + ")" + passed);
        return new Engine(provider);
      }
      passed.append(", not ").append(info.name()).append(' ').append(info.reasons());
    }
    throw new EngineUnavailableException("auto", List.of("no engine can run here" + passed));
  }

  /// Looks closer at an engine than [#list()]: its devices, what connects them, what was loaded.
  /// May take seconds.
  ///
  /// @param name for example `host`
  /// @return a line each; empty for an unknown engine
  public static List<String> details(String name) {
    return providers().stream()
        .filter(provider -> provider.name().equals(name))
        .flatMap(provider -> provider.details().stream())
        .toList();
  }

  private static List<EngineProvider> providers() {
    List<EngineProvider> found = new ArrayList<>();
    ServiceLoader.load(EngineProvider.class, Engines.class.getClassLoader()).forEach(found::add);
    found.sort(Comparator.comparingInt(EngineProvider::priority).reversed());
    return found;
  }

  private static EngineInfo info(EngineProvider provider) {
    Availability availability = provider.probe();
    return new EngineInfo(provider.name(), availability.description(), availability.reasons());
  }
}
