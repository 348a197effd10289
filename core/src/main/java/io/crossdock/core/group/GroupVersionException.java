package io.crossdock.core.group;

import java.io.Serial;

/// A rank speaks another version of the group protocol.
///
/// Safe for any thread.
public final class GroupVersionException extends GroupException {
  @Serial private static final long serialVersionUID = 1L;

  /// Creates the exception.
  ///
  /// @param message what failed, then `key=value` facts
  public GroupVersionException(String message) {
    super(message);
  }
}
