package io.crossdock.cli;

import io.crossdock.core.CrossdockException;
import java.io.Serial;

/// Outputs are not what they must be.
///
/// Safe for any thread.
final class VerificationException extends CrossdockException {
  @Serial private static final long serialVersionUID = 1L;

  VerificationException(String message) {
    super(message);
  }
}
