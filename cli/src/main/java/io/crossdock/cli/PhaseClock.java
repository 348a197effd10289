package io.crossdock.cli;

import io.crossdock.core.CallTimer;
import io.crossdock.core.EpBuffer;

/// Times a phase on the host from the common start of all ranks until it is over on this one: how
/// late the rank came out of the line, and what the engine's timer says from there.
///
/// Confined to one thread.
final class PhaseClock implements AutoCloseable {
  private final CallTimer timer;
  private long lateNanos;

  PhaseClock(EpBuffer buffer) {
    this.timer = buffer.timer();
  }

  void start(StartLine line) {
    long start = line.await();
    lateNanos = System.nanoTime() - start;
    timer.start();
  }

  /// {@return microseconds since the common start}
  double stop() {
    timer.stop();
    return lateNanos / 1e3 + timer.micros();
  }

  @Override
  public void close() {
    timer.close();
  }
}
