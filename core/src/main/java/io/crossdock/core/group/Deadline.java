package io.crossdock.core.group;

import java.time.Duration;
import java.util.concurrent.TimeUnit;

/// A moment on the clock of `System.nanoTime` by which a wait ends.
///
/// Safe for any thread.
///
/// @param atNanos the moment
record Deadline(long atNanos) {
  private static final long NANOS_A_MILLI = 1_000_000;

  /// Far enough for any job, near enough that differences of two moments do not overflow.
  private static final Duration LONGEST = Duration.ofDays(36_500);

  /// Most time that a verdict comes before the bound it belongs to.
  private static final long MAX_MARGIN_NANOS = TimeUnit.SECONDS.toNanos(2);

  static Deadline in(Duration duration) {
    Duration bounded = duration.compareTo(LONGEST) < 0 ? duration : LONGEST;
    return inNanos(bounded.toNanos());
  }

  static Deadline inMillis(long millis) {
    return in(Duration.ofMillis(millis));
  }

  private static Deadline inNanos(long nanos) {
    return new Deadline(System.nanoTime() + nanos);
  }

  /// {@return when a hub gives its verdict on a wait that ends here: a quarter of the remaining
  /// time, at most 2 s, earlier, so that the names of the missing ranks reach who waits in time}
  Deadline verdict() {
    long nanos = Math.max(0, remainingNanos());
    return inNanos(nanos - Math.min(nanos / 4, MAX_MARGIN_NANOS));
  }

  boolean isBefore(Deadline other) {
    return atNanos - other.atNanos < 0;
  }

  Deadline earlier(Deadline other) {
    return isBefore(other) ? this : other;
  }

  long remainingNanos() {
    return atNanos - System.nanoTime();
  }

  /// {@return the remaining time for interfaces in milliseconds where 0 means for ever: at least 1}
  int remainingMillis() {
    long millis = Math.ceilDiv(remainingNanos(), NANOS_A_MILLI);
    return (int) Math.clamp(millis, 1L, Integer.MAX_VALUE);
  }

  boolean expired() {
    return remainingNanos() <= 0;
  }
}
