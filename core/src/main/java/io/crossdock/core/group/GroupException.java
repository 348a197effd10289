package io.crossdock.core.group;

import io.crossdock.core.CrossdockException;
import java.io.Serial;

/// Root of everything that a process group throws when it cannot go on.
///
/// Safe for any thread.
public abstract class GroupException extends CrossdockException {
  @Serial private static final long serialVersionUID = 1L;

  /// Creates the exception.
  ///
  /// @param message what failed, then `key=value` facts
  protected GroupException(String message) {
    super(message);
  }

  /// Creates the exception with a cause.
  ///
  /// @param message what failed, then `key=value` facts
  /// @param cause what led to it
  protected GroupException(String message, Throwable cause) {
    super(message, cause);
  }
}
