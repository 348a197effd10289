package io.crossdock.core.spi;

import io.crossdock.core.DeviceInfo;
import java.util.List;

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

  /// {@return the devices that ranks are spread over, if the engine can run here; empty for an
  /// engine whose ranks need none. Asking allocates nothing on them}
  default List<DeviceInfo> devices() {
    return List.of();
  }

  /// {@return more about the engine, its devices and what connects them, a line each, also if it
  /// cannot run; may take seconds, never throws}
  default List<String> details() {
    return List.of();
  }

  /// Opens the engine.
  ///
  /// @return the engine
  EngineBackend open();
}
