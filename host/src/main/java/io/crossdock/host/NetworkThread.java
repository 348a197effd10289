package io.crossdock.host;

import io.crossdock.core.CrossdockException;
import io.crossdock.core.spi.Threads;
import io.crossdock.core.spi.Transport;
import java.time.Duration;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.locks.LockSupport;
import java.util.function.Consumer;

/// The thread that makes progress on one transport while no call does. Once told to end it does not
/// use the transport again, also if it ends late.
///
/// Safe for any thread.
final class NetworkThread {
  private static final long AWAIT_NANOS = 50_000_000;
  private static final Duration JOIN_TIMEOUT = Duration.ofSeconds(10);

  private final Transport transport;
  private final NetworkLock lock;
  private final Consumer<RuntimeException> breakDown;
  private final Thread thread;

  /// Set by the thread at its end and by who leaves the transport to it; the second one closes.
  private final AtomicBoolean isLast = new AtomicBoolean();

  /// Whether the transport was left to the thread.
  private final AtomicBoolean isLeft = new AtomicBoolean();

  private volatile boolean letGo;
  private volatile boolean callWaits;
  private volatile boolean stopped;

  /// @param lock taken around all use of the transport
  /// @param breakDown told, under the lock, what the transport failed with
  NetworkThread(
      String name, Transport transport, NetworkLock lock, Consumer<RuntimeException> breakDown) {
    this.transport = transport;
    this.lock = lock;
    this.breakDown = breakDown;
    this.thread = Thread.ofPlatform().daemon().name(name).unstarted(this::run);
  }

  void start() {
    thread.start();
  }

  /// Tells that a call waits, and so makes progress itself, or does no longer.
  void callWaits(boolean waits) {
    callWaits = waits;
    if (!waits) {
      LockSupport.unpark(thread);
    }
  }

  /// Ends the thread, waiting bounded time for it.
  ///
  /// @throws CrossdockException if it still runs, and so may still use the transport
  void end() {
    stopped = true;
    transport.wake();
    LockSupport.unpark(thread);
    awaitEnd();
  }

  /// Waits bounded time for the end of a thread that was told to end.
  ///
  /// @throws CrossdockException if it still runs
  void awaitEnd() {
    if (!Threads.join(thread, JOIN_TIMEOUT)) {
      throw new CrossdockException("thread did not stop: thread=" + thread.getName());
    }
  }

  /// Leaves the transport, which others do not use any more, to a thread that did not end in time:
  /// it is closed when it does. Does nothing the second time.
  void closeAtEnd() {
    if (isLeft.getAndSet(true)) {
      return;
    }
    if (thread.isAlive() && !isLast.getAndSet(true)) {
      return;
    }
    close();
  }

  /// Closes the transport, which nobody uses any more.
  void close() {
    transport.close();
    letGo = transport.hasLetGo();
  }

  /// {@return true once the transport is closed and nothing touches its memory any more}
  boolean hasLetGo() {
    return letGo;
  }

  private void run() {
    while (!stopped) {
      if (callWaits) {
        LockSupport.parkNanos(this, AWAIT_NANOS);
      } else if (!progress()) {
        await();
      }
    }
    if (isLast.getAndSet(true)) {
      close();
    }
  }

  /// {@return true if the lock is taken}
  private boolean lockUnlessStopped() {
    while (!lock.tryLock()) {
      if (stopped) {
        return false;
      }
      lock.pause();
    }
    return true;
  }

  private boolean progress() {
    if (!lockUnlessStopped()) {
      return false;
    }
    try {
      return !stopped && transport.progress();
    } catch (RuntimeException e) {
      fail(e);
      return false;
    } finally {
      lock.unlock();
    }
  }

  private void await() {
    try {
      transport.await(AWAIT_NANOS);
    } catch (RuntimeException e) {
      if (!lockUnlessStopped()) {
        return;
      }
      try {
        fail(e);
      } finally {
        lock.unlock();
      }
      LockSupport.parkNanos(this, AWAIT_NANOS);
    }
  }

  private void fail(RuntimeException cause) {
    if (!stopped) {
      breakDown.accept(cause);
    }
  }
}
