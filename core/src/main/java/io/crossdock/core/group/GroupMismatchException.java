package io.crossdock.core.group;

import java.io.Serial;

/// Two ranks met in different collectives, for example one in a barrier and one in an all-gather.
///
/// Safe for any thread.
public final class GroupMismatchException extends GroupException {
  @Serial private static final long serialVersionUID = 1L;

  /// Creates the exception.
  ///
  /// @param message what failed, then `key=value` facts
  public GroupMismatchException(String message) {
    super(message);
  }
}
