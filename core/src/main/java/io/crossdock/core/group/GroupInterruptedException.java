package io.crossdock.core.group;

import java.io.Serial;

/// The calling thread was interrupted in a collective; its interrupt flag is set. The group is
/// aborted, so that the other ranks do not wait for this one.
///
/// Safe for any thread.
public final class GroupInterruptedException extends GroupException {
  @Serial private static final long serialVersionUID = 1L;

  /// Creates the exception.
  ///
  /// @param message what failed, then `key=value` facts
  public GroupInterruptedException(String message) {
    super(message);
  }
}
