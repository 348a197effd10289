package io.crossdock.cli;

import io.crossdock.core.AbortedException;
import io.crossdock.core.BufferClosedException;
import io.crossdock.core.CrossdockException;
import io.crossdock.core.EngineUnavailableException;
import io.crossdock.core.PeerLeftException;
import io.crossdock.core.TransportUnavailableException;
import io.crossdock.core.WaitTimeoutException;
import io.crossdock.core.group.GroupConfigException;
import io.crossdock.core.group.GroupException;

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
      case WaitTimeoutException _ -> PEER_FAILED;
      case PeerLeftException _ -> PEER_FAILED;
      case AbortedException _ -> PEER_FAILED;
      case BufferClosedException _ -> PEER_FAILED;
      case WorkerFailure worker -> worker.exitCode();
      case GroupConfigException _ -> BAD_INPUT;
      case GroupException _ -> PEER_FAILED;
      case CrossdockException _ -> BAD_INPUT;
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
