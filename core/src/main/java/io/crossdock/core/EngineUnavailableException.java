package io.crossdock.core;

import java.io.Serial;
import java.util.List;

/// The engine asked for cannot run here. The message lists every reason.
///
/// Safe for any thread.
public final class EngineUnavailableException extends CrossdockException {
  @Serial private static final long serialVersionUID = 1L;

  /// Creates the exception.
  ///
  /// @param engine the engine's name
  /// @param reasons why it cannot run
  public EngineUnavailableException(String engine, List<String> reasons) {
    super("engine is not available: engine=" + engine + ", reasons=" + reasons);
  }
}
