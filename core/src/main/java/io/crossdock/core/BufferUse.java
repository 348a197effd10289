package io.crossdock.core;

import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.locks.LockSupport;

/// Lets one thread at a time use a buffer, and none once it is closed.
///
/// Safe for any thread.
final class BufferUse {
  private static final long POLL_NANOS = 100_000;

  private final int rank;
  private final AtomicReference<Thread> user = new AtomicReference<>();
  private volatile boolean closed;

  BufferUse(int rank) {
    this.rank = rank;
  }

  /// Claims before it looks whether the buffer is closed, as a closer calls [#close] before it
  /// looks for a user: one of them sees the other.
  void claim() {
    Thread caller = Thread.currentThread();
    Thread other = user.compareAndExchange(null, caller);
    if (closed) {
      if (other == null) {
        release();
      }
      throw new BufferClosedException("buffer is closed: rank=" + rank);
    }
    if (other != null) {
      throw new ConcurrentUseException(
          "buffer is in use by another thread: rank="
              + rank
              + ", caller="
              + caller.getName()
              + ", user="
              + other.getName());
    }
    if (closed) {
      release();
      throw new BufferClosedException("buffer is closed: rank=" + rank);
    }
  }

  void release() {
    user.set(null);
  }

  /// {@return false if the buffer was closed before}
  synchronized boolean close() {
    boolean first = !closed;
    closed = true;
    return first;
  }

  /// {@return true if no thread uses the buffer, at the latest when the time is over}
  boolean isUnusedWithin(long nanos) {
    long start = System.nanoTime();
    while (user.get() != null && System.nanoTime() - start < nanos) {
      LockSupport.parkNanos(POLL_NANOS);
    }
    return user.get() == null;
  }
}
