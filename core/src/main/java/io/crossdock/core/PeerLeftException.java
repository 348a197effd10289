package io.crossdock.core;

import java.io.Serial;

/// A peer closed its buffer while this rank waited for it.
///
/// Safe for any thread.
public final class PeerLeftException extends CrossdockException {
  @Serial private static final long serialVersionUID = 1L;

  /// Creates the exception.
  ///
  /// @param message what failed, then `key=value` facts
  public PeerLeftException(String message) {
    super(message);
  }
}
