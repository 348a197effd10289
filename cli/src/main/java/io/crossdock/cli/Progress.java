package io.crossdock.cli;

import java.io.Console;
import java.time.Duration;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.locks.LockSupport;

/// One line that says that work goes on, on a terminal only.
///
/// Confined to the thread that started it.
final class Progress implements AutoCloseable {
  private static final long STEP_NANOS = 200_000_000;
  private static final String FRAMES = "|/-\\";

  private final AtomicBoolean done = new AtomicBoolean();
  private final Thread painter;

  // JDK 25 still returns null in a pipe, whatever JDK 22 promised.
  @SuppressWarnings("SystemConsoleNull")
  private Progress(String what) {
    Console console = System.console();
    boolean visible = console != null && console.isTerminal();
    painter = visible ? Thread.ofVirtual().start(() -> paint(what)) : null;
  }

  static Progress start(String what) {
    return new Progress(what);
  }

  private void paint(String what) {
    long start = System.nanoTime();
    for (int i = 0; !done.get(); i++) {
      long seconds = (System.nanoTime() - start) / 1_000_000_000;
      System.err.print(
          "\r" + FRAMES.charAt(i % FRAMES.length()) + " " + what + " " + seconds + " s ");
      System.err.flush();
      LockSupport.parkNanos(STEP_NANOS);
    }
    System.err.print("\r" + " ".repeat(what.length() + 12) + "\r");
    System.err.flush();
  }

  @Override
  public void close() {
    finish();
  }

  /// Removes the line. Idempotent.
  void finish() {
    if (done.compareAndSet(false, true) && painter != null) {
      LockSupport.unpark(painter);
      try {
        painter.join(Duration.ofSeconds(1));
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
      }
    }
  }
}
