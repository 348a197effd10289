package io.crossdock.cuda.driver;

import io.crossdock.core.CrossdockException;
import java.io.Serial;

/// Work of a GPU was not done in time, or the thread that waited was interrupted.
///
/// Safe for any thread.
public final class GpuTimeoutException extends CrossdockException {
  @Serial private static final long serialVersionUID = 1L;

  GpuTimeoutException(String message) {
    super(message);
  }
}
