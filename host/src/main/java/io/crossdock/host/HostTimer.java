package io.crossdock.host;

import io.crossdock.core.CallTimer;

/// A stop-watch: on the host the current stream is the calling thread.
///
/// Confined to one thread.
final class HostTimer implements CallTimer {
  private long startNanos;
  private long stopNanos;

  @Override
  public void start() {
    startNanos = System.nanoTime();
  }

  @Override
  public void stop() {
    stopNanos = System.nanoTime();
  }

  @Override
  public double micros() {
    return (stopNanos - startNanos) / 1e3;
  }

  @Override
  public void close() {
    // Holds nothing.
  }
}
