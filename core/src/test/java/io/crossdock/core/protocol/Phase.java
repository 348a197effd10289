package io.crossdock.core.protocol;

/// Where a thread stands. Each is left by one atomic step, or by several, one a row or peer.
enum Phase {
  /// Before the next operation of the script.
  START,
  /// Before the stream is idle.
  AWAIT_IDLE,
  /// Before a result's event.
  AWAIT_EVENT,
  /// Loading whether peers aborted, before anything is sent.
  CHECK_USABLE,
  RESERVE,
  OBSERVE_PULLED,
  ACQUIRE_OUTPUT,
  AWAIT_PULLED,
  STAGE,
  AWAIT_ENTRY,
  READ_ENTRY,
  PUBLISH_ENTRY,
  PLACE,
  PUBLISH_FINISHED,
  AWAIT_FINISHED,
  COPY_OUT,
  LEASE_RESULT,
  PULL,
  LEAVE_OUTPUT,
  PUBLISH_PULLED,
  /// Loading what the ranks say of themselves, amid a wait.
  POLL,
  /// Loading the cell once more that a peer who left may have published before.
  RECHECK,
  PUBLISH_ABORT,
  FILL,
  READ_RESULT,
  CLOSE_RESULT,
  CLOSE_LENT,
  LEAVE,
  GATHER,
  AWAIT_GATHER,
  RESTORE_FINISHED,
  RESTORE_PULLED,
  RESTORED,
  AWAIT_RESTORED;

  boolean isWait() {
    return this == AWAIT_ENTRY || this == AWAIT_FINISHED || this == AWAIT_PULLED;
  }

  /// {@return true if it touches only what the rank's other thread may touch, no peer}
  boolean touchesWindowsOnly() {
    return switch (this) {
      case RESERVE,
          ACQUIRE_OUTPUT,
          LEASE_RESULT,
          LEAVE_OUTPUT,
          READ_RESULT,
          CLOSE_RESULT,
          CLOSE_LENT ->
          true;
      default -> false;
    };
  }
}
