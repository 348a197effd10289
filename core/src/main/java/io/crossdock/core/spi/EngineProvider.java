package io.crossdock.core.spi;

/// Found with [java.util.ServiceLoader]; says whether its engine can run here and opens it.
///
/// Safe for any thread.
public interface EngineProvider {
  /// {@return the name used on the command line, for example `host`}
  String name();

  /// {@return what `auto` prefers: the highest available}
  int priority();

  /// {@return whether the engine can run here; never throws}
  Availability probe();

  /// Opens the engine.
  ///
  /// @return the engine
  EngineBackend open();
}
