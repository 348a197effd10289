package io.crossdock.verify.network;

import java.time.Duration;
import java.util.SplittableRandom;

/// How long things are under way: times of calm and times of storm.
///
/// Confined to the lock of an inbox.
final class WeatherDelays {
  private static final int CALM_PARTS_IN_A_ROW = 16;
  private static final int CALMS_PER_STORM = 7;

  private final SplittableRandom random;
  private final long mostNanos;
  private boolean storm;

  WeatherDelays(SplittableRandom random, Duration most) {
    this.random = random;
    this.mostNanos = most.toNanos();
  }

  /// The weather may change.
  void change() {
    storm = random.nextInt(CALMS_PER_STORM + 1) == 0;
  }

  /// {@return nanoseconds}
  long next() {
    if (mostNanos == 0) {
      return 0;
    }
    if (storm) {
      return random.nextLong(mostNanos);
    }
    return random.nextInt(CALM_PARTS_IN_A_ROW) == 0 ? random.nextLong(1 + mostNanos / 16) : 0;
  }
}
