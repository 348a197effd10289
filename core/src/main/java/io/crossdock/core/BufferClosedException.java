package io.crossdock.core;

import java.io.Serial;

/// The buffer was closed, or was aborted and not yet reset.
///
/// Safe for any thread.
public final class BufferClosedException extends CrossdockException {
  @Serial private static final long serialVersionUID = 1L;

  /// Creates the exception.
  ///
  /// @param message what failed, then `key=value` facts
  public BufferClosedException(String message) {
    super(message);
  }
}
