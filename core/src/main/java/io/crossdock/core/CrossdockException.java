package io.crossdock.core;

import java.io.Serial;

/// Root of every exception that the library throws on purpose. The message says what failed, then
/// `key=value` facts.
///
/// Safe for any thread.
public class CrossdockException extends RuntimeException {
  @Serial private static final long serialVersionUID = 1L;

  /// Creates the exception.
  ///
  /// @param message what failed, then `key=value` facts
  public CrossdockException(String message) {
    super(message);
  }

  /// Creates the exception with a cause.
  ///
  /// @param message what failed, then `key=value` facts
  /// @param cause what led to it
  public CrossdockException(String message, Throwable cause) {
    super(message, cause);
  }
}
