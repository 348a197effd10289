package io.crossdock.core;

import java.io.Serial;

/// More rows would arrive than the receiver announced room for. Nothing was placed; the buffer
/// stays usable.
///
/// Safe for any thread.
public final class CapacityException extends CrossdockException {
  @Serial private static final long serialVersionUID = 1L;

  /// Creates the exception.
  ///
  /// @param message what failed, then `key=value` facts
  public CapacityException(String message) {
    super(message);
  }
}
