package io.crossdock.cli;

import io.crossdock.cli.safetensors.SafetensorsException;
import io.crossdock.core.CapacityException;
import io.crossdock.core.CollectiveMismatchException;
import io.crossdock.core.ConcurrentUseException;
import io.crossdock.core.CrossdockException;
import io.crossdock.core.EngineUnavailableException;
import io.crossdock.core.InvalidInputException;
import io.crossdock.core.LeaseException;
import io.crossdock.core.RefusedException;
import io.crossdock.core.TransportUnavailableException;
import io.crossdock.core.WindowAllocationException;
import io.crossdock.core.group.GroupConfigException;

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

  final int code;

  ExitCode(int code) {
    this.code = code;
  }

  static ExitCode of(Throwable failure) {
    return switch (failure) {
      case VerificationException _ -> NOT_VERIFIED;
      case EngineUnavailableException _ -> NOT_AVAILABLE;
      case TransportUnavailableException _ -> NOT_AVAILABLE;
      case WorkerFailure worker -> worker.exitCode();
      case InvalidInputException _ -> BAD_INPUT;
      case RefusedException _ -> BAD_INPUT;
      case CapacityException _ -> BAD_INPUT;
      case CollectiveMismatchException _ -> BAD_INPUT;
      case ConcurrentUseException _ -> BAD_INPUT;
      case LeaseException _ -> BAD_INPUT;
      case WindowAllocationException _ -> BAD_INPUT;
      case GroupConfigException _ -> BAD_INPUT;
      case SafetensorsException _ -> BAD_INPUT;
      case CrossdockException plain when plain.getClass() == CrossdockException.class -> BAD_INPUT;
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
}
