package io.crossdock.verify.network;

import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;

/// Holds callers of a transport to its contract: one thread at a time, nothing after close, and
/// nobody waiting while it closes.
///
/// Safe for any thread.
final class CallerCheck {
  private final String who;
  private final AtomicReference<Thread> inside = new AtomicReference<>();
  private final AtomicInteger waiting = new AtomicInteger();
  private final AtomicBoolean closed = new AtomicBoolean();

  CallerCheck(String who) {
    this.who = who;
  }

  /// A call begins; to be followed by [#leave()].
  void enter(String call) {
    Thread me = Thread.currentThread();
    Thread other = inside.compareAndExchange(null, me);
    if (other != null) {
      throw wrong("two threads at once", call + ", thread=" + me + ", other=" + other);
    }
    if (closed.get()) {
      leave();
      throw wrong("used after close", call);
    }
  }

  void leave() {
    inside.set(null);
  }

  /// A wait begins; to be followed by [#endWait()].
  void beginWait(String call) {
    waiting.incrementAndGet();
    if (closed.get()) {
      endWait();
      throw wrong("used after close", call);
    }
  }

  void endWait() {
    waiting.decrementAndGet();
  }

  /// {@return false if it was closed before}
  boolean close() {
    Thread me = Thread.currentThread();
    Thread other = inside.get();
    if (other != null) {
      throw wrong("two threads at once", "close, thread=" + me + ", other=" + other);
    }
    if (!closed.compareAndSet(false, true)) {
      return false;
    }
    if (waiting.get() > 0) {
      throw wrong("closed while somebody waits", "close");
    }
    return true;
  }

  boolean isClosed() {
    return closed.get();
  }

  void require(boolean right, String rule, long value, long limit) {
    if (!right) {
      throw wrong(rule, "value=" + value + ", limit=" + limit);
    }
  }

  AssertionError wrong(String rule, String facts) {
    String text = "transport used wrongly: rule=" + rule + ", " + who + ", call=" + facts;
    Weather.report(text);
    return new AssertionError(text);
  }
}
