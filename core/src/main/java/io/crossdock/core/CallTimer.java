package io.crossdock.core;

/// Measures what happens on the current stream between two points: the time of calls on the host,
/// of kernels on a GPU. Can be started again. Where it is started and stopped among recorded calls,
/// each replay does so; then something behind the replay must be waited for before it is read. A
/// timer that is used among recorded calls is used for nothing else.
///
/// Confined to the thread that uses the buffer.
public interface CallTimer extends AutoCloseable {
  /// Marks the beginning on the current stream.
  void start();

  /// Marks the end on the current stream.
  void stop();

  /// Waits, bounded, until the end is reached.
  ///
  /// @return microseconds from beginning to end
  double micros();

  /// Releases what the timer holds. Idempotent.
  @Override
  void close();
}
