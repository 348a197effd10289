package io.crossdock.cli.safetensors;

import io.crossdock.core.CrossdockException;
import java.io.Serial;

/// A safetensors file cannot be read or written. The message has the file and what is wrong as
/// facts.
///
/// Safe for any thread.
public final class SafetensorsException extends CrossdockException {
  @Serial private static final long serialVersionUID = 1L;

  SafetensorsException(String message) {
    super(message);
  }

  SafetensorsException(String message, Throwable cause) {
    super(message, cause);
  }
}
