package io.crossdock.core;

import java.io.Serial;

/// The ranks of a buffer made different calls. Nothing was placed; the buffer stays usable.
///
/// Safe for any thread.
public final class CollectiveMismatchException extends CrossdockException {
  @Serial private static final long serialVersionUID = 1L;

  /// Creates the exception.
  ///
  /// @param message what failed, then `key=value` facts
  public CollectiveMismatchException(String message) {
    super(message);
  }
}
