package io.crossdock.core.group;

import java.io.Serial;

/// The job secret is not configured, or two ends of a connection do not share it.
///
/// Safe for any thread.
public final class GroupSecretException extends GroupException {
  @Serial private static final long serialVersionUID = 1L;

  /// Creates the exception.
  ///
  /// @param message what failed, then `key=value` facts
  public GroupSecretException(String message) {
    super(message);
  }
}
