package io.crossdock.core.group;

import java.time.Duration;
import java.util.concurrent.TimeUnit;

/// A moment on the clock of `System.nanoTime` by which a wait ends.
///
/// Safe for any thread.
///
/// @param atNanos the moment
record Deadline(long atNanos) {
  /// Far enough for any job, near enough that differences of two moments do not overflow.
  private static final Duration LONGEST = Duration.ofDays(36_500);

  /// Time that the host of a group keeps back from every bound, so that its verdict (which names
  /// the ranks that did not arrive) reaches the members before their own bounds expire.
  private static final long MAX_MARGIN_NANOS = TimeUnit.SECONDS.toNanos(2);

  static Deadline in(Duration duration) {
    Duration bounded = duration.compareTo(LONGEST) < 0 ? duration : LONGEST;
    return inNanos(bounded.toNanos());
  }

  static Deadline inNanos(long nanos) {
    return new Deadline(System.nanoTime() + nanos);
  }

  static Deadline inMillis(long millis) {
    return in(Duration.ofMillis(millis));
  }

  /// The moment at which the host gives its verdict on a wait that ends after `remaining`: a
  /// quarter of it, at most 2 s, earlier.
  static Deadline ofVerdict(Duration remaining) {
    long nanos = Math.max(0, in(remaining).remainingNanos());
    return inNanos(nanos - Math.min(nanos / 4, MAX_MARGIN_NANOS));
  }

  Deadline earlier(Deadline other) {
    return atNanos - other.atNanos <= 0 ? this : other;
  }

  long remainingNanos() {
    return atNanos - System.nanoTime();
  }

  /// Remaining time for interfaces in milliseconds where 0 means for ever: at least 1.
  int remainingMillis() {
    long millis = TimeUnit.NANOSECONDS.toMillis(remainingNanos());
    return (int) Math.clamp(millis, 1L, Integer.MAX_VALUE);
  }

  boolean expired() {
    return remainingNanos() <= 0;
  }
}
