package io.crossdock.core;

import io.crossdock.core.spi.EngineBackend;

/// An engine that was found and can run here. Buffers are opened on it with [EpBuffer#open].
///
/// Safe for any thread.
public final class Engine {
  private final EngineBackend backend;

  Engine(EngineBackend backend) {
    this.backend = backend;
  }

  /// {@return the name used on the command line, for example `host`}
  public String name() {
    return backend.name();
  }

  EngineBackend backend() {
    return backend;
  }
}
