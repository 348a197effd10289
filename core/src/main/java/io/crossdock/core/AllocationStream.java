package io.crossdock.core;

/// On which stream outputs are allocated.
///
/// Safe for any thread.
public enum AllocationStream {
  /// On the caller's stream, before the communication starts.
  CALLER,
  /// On the buffer's communication stream, after the previous event (`allocateOnCommStream`). Needs
  /// a previous event and [Completion#ASYNC_FINISH].
  COMM_STREAM
}
