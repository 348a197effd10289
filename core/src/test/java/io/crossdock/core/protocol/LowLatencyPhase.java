package io.crossdock.core.protocol;

/// The next access to memory of a rank in low-latency mode. The waits end by a look at a peer.
enum LowLatencyPhase {
  START,
  AWAIT_GRANTS,
  WRITE_ROW,
  WRITE_TERMS,
  PUBLISH_FLAG,
  AWAIT_FLAGS,
  READ_ROW,
  PUBLISH_REFUSAL,
  PUBLISH_COMPLETED,
  PUBLISH_MASK,
  WRITE_GENERATION,
  PUBLISH_KNOCK,
  AWAIT_KNOCKS,
  READ_GENERATION,
  UNMASK,
  WRITE_ACK_GENERATION,
  PUBLISH_ACK,
  AWAIT_ACKS,
  READ_ACK_GENERATION,
  REMASK,
  PUBLISH_RESTART,
  WITHDRAW_KNOCK;

  boolean isWait() {
    return this == AWAIT_GRANTS || this == AWAIT_FLAGS || isRejoinWait();
  }

  boolean isRejoinWait() {
    return this == AWAIT_KNOCKS || this == AWAIT_ACKS;
  }
}
