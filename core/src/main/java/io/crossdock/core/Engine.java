package io.crossdock.core;

import io.crossdock.core.spi.EngineBackend;
import io.crossdock.core.spi.EngineProvider;
import java.util.List;

/// An engine that was found and can run here. Buffers are opened on it with [EpBuffer#open].
///
/// Safe for any thread.
public final class Engine {
  private final EngineBackend backend;
  private final List<DeviceInfo> devices;

  Engine(EngineProvider provider) {
    this.backend = provider.open();
    this.devices = List.copyOf(provider.devices());
  }

  /// {@return the name used on the command line, for example `host`}
  public String name() {
    return backend.name();
  }

  /// {@return the devices that ranks of this machine are spread over, in turn; empty on the host
  /// engine}
  public List<DeviceInfo> devices() {
    return devices;
  }

  EngineBackend backend() {
    return backend;
  }
}
