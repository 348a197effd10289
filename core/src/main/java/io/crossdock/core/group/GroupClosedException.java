package io.crossdock.core.group;

import java.io.Serial;

/// A collective was called on a closed group, or the group was closed while the call waited.
///
/// Safe for any thread.
public final class GroupClosedException extends GroupException {
  @Serial private static final long serialVersionUID = 1L;

  /// Creates the exception.
  ///
  /// @param message what failed, then `key=value` facts
  public GroupClosedException(String message) {
    super(message);
  }
}
