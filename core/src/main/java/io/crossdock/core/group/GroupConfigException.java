package io.crossdock.core.group;

import java.io.Serial;

/// The settings or the environment of a rank are unusable, or the ranks do not agree on them.
///
/// Safe for any thread.
public final class GroupConfigException extends GroupException {
  @Serial private static final long serialVersionUID = 1L;

  /// Creates the exception.
  ///
  /// @param message what failed, then `key=value` facts
  public GroupConfigException(String message) {
    super(message);
  }

  /// Creates the exception with a cause.
  ///
  /// @param message what failed, then `key=value` facts
  /// @param cause what led to it
  public GroupConfigException(String message, Throwable cause) {
    super(message, cause);
  }
}
