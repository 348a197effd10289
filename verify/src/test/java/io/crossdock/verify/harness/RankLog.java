package io.crossdock.verify.harness;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.time.Duration;
import java.util.concurrent.TimeUnit;

/// What a process prints, read on a thread of its own as it comes.
///
/// Safe for any thread.
final class RankLog {
  private final StringBuilder text = new StringBuilder();
  private final Thread reader;
  private boolean ended;

  RankLog(Process process, String name) {
    reader = Thread.ofPlatform().daemon().name("log-" + name).start(() -> read(process));
  }

  private void read(Process process) {
    try (BufferedReader lines = process.inputReader()) {
      for (String line = lines.readLine(); line != null; line = lines.readLine()) {
        append(line);
      }
    } catch (IOException | UncheckedIOException e) {
      append("output ended: cause=" + e);
    }
    end();
  }

  private synchronized void append(String line) {
    text.append(line).append('\n');
    notifyAll();
  }

  private synchronized void end() {
    ended = true;
    notifyAll();
  }

  /// {@return all lines so far}
  synchronized String text() {
    return text.toString();
  }

  /// {@return false if the text was not printed in time, or never will be}
  synchronized boolean await(String wanted, Duration timeout) throws InterruptedException {
    long deadline = System.nanoTime() + timeout.toNanos();
    while (text.indexOf(wanted) < 0) {
      long millis = TimeUnit.NANOSECONDS.toMillis(deadline - System.nanoTime());
      if (ended || millis <= 0) {
        return false;
      }
      wait(millis);
    }
    return true;
  }

  /// Waits for the last line of a process that ended.
  void join(Duration timeout) throws InterruptedException {
    reader.join(timeout);
  }
}
