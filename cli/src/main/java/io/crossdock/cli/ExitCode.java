package io.crossdock.cli;

import io.crossdock.cli.safetensors.SafetensorsException;
import io.crossdock.core.AbortedException;
import io.crossdock.core.BufferClosedException;
import io.crossdock.core.CrossdockException;
import io.crossdock.core.EngineUnavailableException;
import io.crossdock.core.PeerLeftException;
import io.crossdock.core.RefusedException;
import io.crossdock.core.WaitTimeoutException;

/// What the process exits with. The one place that turns failures into numbers.
///
/// Safe for any thread.
enum ExitCode {
  /// Done and verified.
  DONE(0),
  /// Bad usage or input.
  BAD_INPUT(2),
  /// Verification failed.
  NOT_VERIFIED(3),
  /// Engine or transport not available.
  NOT_AVAILABLE(4),
  /// Peer failure or timeout.
  PEER_FAILED(5);

  private static final String GROUP_PACKAGE = "io.crossdock.core.group";

  final int code;

  ExitCode(int code) {
    this.code = code;
  }

  static ExitCode of(Throwable failure) {
    return switch (failure) {
      case VerificationException _ -> NOT_VERIFIED;
      case EngineUnavailableException _ -> NOT_AVAILABLE;
      case WaitTimeoutException _ -> PEER_FAILED;
      case PeerLeftException _ -> PEER_FAILED;
      case AbortedException _ -> PEER_FAILED;
      case BufferClosedException _ -> PEER_FAILED;
      case WorkerFailure worker -> worker.exitCode();
      case RefusedException _ -> BAD_INPUT;
      case SafetensorsException _ -> BAD_INPUT;
      case CrossdockException known -> isGroupFailure(known) ? PEER_FAILED : BAD_INPUT;
      default -> PEER_FAILED;
    };
  }

  static ExitCode ofCode(int code) {
    for (ExitCode exit : values()) {
      if (exit.code == code) {
        return exit;
      }
    }
    return PEER_FAILED;
  }

  private static boolean isGroupFailure(CrossdockException failure) {
    String name = failure.getClass().getName();
    return name.startsWith(GROUP_PACKAGE) && !name.endsWith("ConfigException");
  }
}
