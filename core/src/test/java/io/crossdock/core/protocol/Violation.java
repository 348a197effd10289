package io.crossdock.core.protocol;

import java.io.Serial;

/// A run broke what the protocol promises.
final class Violation extends RuntimeException {
  @Serial private static final long serialVersionUID = 1L;

  Violation(String message) {
    super(message);
  }

  static void check(boolean holds, String message) {
    if (!holds) {
      throw new Violation(message);
    }
  }
}
