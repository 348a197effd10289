package io.crossdock.core;

import java.io.Serial;

/// Shared memory for a window could not be had.
///
/// Safe for any thread.
public final class WindowAllocationException extends CrossdockException {
  @Serial private static final long serialVersionUID = 1L;

  /// Creates the exception.
  ///
  /// @param message what failed, then `key=value` facts
  public WindowAllocationException(String message) {
    super(message);
  }

  /// Creates the exception with a cause.
  ///
  /// @param message what failed, then `key=value` facts
  /// @param cause what led to it
  public WindowAllocationException(String message, Throwable cause) {
    super(message, cause);
  }
}
