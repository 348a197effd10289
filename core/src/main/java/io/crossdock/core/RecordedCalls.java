package io.crossdock.core;

/// Calls of a buffer that were recorded once and run again with one launch.
///
/// Confined to the thread that uses the buffer.
public interface RecordedCalls extends AutoCloseable {
  /// Enqueues all of them on the current stream. Collective if the calls are. What they fail with
  /// is thrown by [EpBuffer#check()].
  void replay();

  /// Forgets the calls; a replay that runs still ends. Idempotent.
  @Override
  void close();
}
