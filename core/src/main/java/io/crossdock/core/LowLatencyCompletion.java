package io.crossdock.core;

/// When a low-latency call returns, and who does its receive half.
///
/// Safe for any thread.
public enum LowLatencyCompletion {
  /// The call does both halves and returns when its outputs are complete.
  SYNCHRONOUS,
  /// The call returns at once (`asyncFinish`); both halves run on the communication stream.
  ASYNC_FINISH,
  /// The call does the send half (`returnRecvHook`); outputs are complete after [RecvHook#run()].
  /// In between nothing works on behalf of the receive: no thread, no multiprocessor.
  RECV_HOOK
}
