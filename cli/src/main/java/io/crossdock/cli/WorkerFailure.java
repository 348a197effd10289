package io.crossdock.cli;

import io.crossdock.core.CrossdockException;
import java.io.Serial;

/// A rank of a job failed.
///
/// Safe for any thread.
final class WorkerFailure extends CrossdockException {
  @Serial private static final long serialVersionUID = 1L;
  private final ExitCode exitCode;
  private final Origin origin;

  /// Where a failure began.
  ///
  /// Safe for any thread.
  enum Origin {
    /// On this rank.
    OWN,
    /// On another rank; this one only heard of it.
    HEARD
  }

  WorkerFailure(String message, ExitCode exitCode, Origin origin) {
    super(message);
    this.exitCode = exitCode;
    this.origin = origin;
  }

  Origin origin() {
    return origin;
  }

  ExitCode exitCode() {
    return exitCode;
  }
}
