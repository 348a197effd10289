package io.crossdock.core;

import java.io.Serial;

/// Every window of the kind needed is held by a live lease. Nothing was sent; close a result and
/// call again.
///
/// Safe for any thread.
public final class LeaseException extends CrossdockException {
  @Serial private static final long serialVersionUID = 1L;

  /// Creates the exception.
  ///
  /// @param message what failed, then `key=value` facts
  public LeaseException(String message) {
    super(message);
  }
}
