package io.crossdock.core;

import java.io.Serial;

/// Two threads used one buffer at the same time.
///
/// Safe for any thread.
public final class ConcurrentUseException extends CrossdockException {
  @Serial private static final long serialVersionUID = 1L;

  /// Creates the exception.
  ///
  /// @param message what failed, then `key=value` facts
  public ConcurrentUseException(String message) {
    super(message);
  }
}
