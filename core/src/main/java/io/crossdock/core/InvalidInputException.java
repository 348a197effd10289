package io.crossdock.core;

import java.io.Serial;

/// An argument cannot be right: shape, dtype, alignment, expert id, sizes. Nothing was sent.
///
/// Safe for any thread.
public final class InvalidInputException extends CrossdockException {
  @Serial private static final long serialVersionUID = 1L;

  /// Creates the exception.
  ///
  /// @param message what failed, then `key=value` facts
  public InvalidInputException(String message) {
    super(message);
  }
}
