package io.crossdock.verify.harness;

import io.crossdock.core.Engine;
import io.crossdock.core.Engines;

/// The engine that suites for all engines run on: `-Dcrossdock.engine=NAME`, by default the host's.
///
/// Safe for any thread.
public final class EngineUnderTest {
  /// Its name.
  public static final String NAME = System.getProperty("crossdock.engine", "host");

  private EngineUnderTest() {}

  /// {@return the engine}
  public static Engine open() {
    return Engines.open(NAME);
  }
}
