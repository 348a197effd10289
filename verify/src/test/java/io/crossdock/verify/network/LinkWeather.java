package io.crossdock.verify.network;

/// What happens to packets in one direction of a [Cable].
///
/// Safe for any thread.
///
/// @param delayNanos how long each packet is under way
/// @param jitterNanos up to how much longer, at random: packets overtake each other
/// @param lossPerMille how many of 1000 packets are lost, at random
/// @param bytesPerSecond how fast; what comes faster waits in a short queue, and is lost behind it
/// @param connected false: every packet is lost
record LinkWeather(
    long delayNanos, long jitterNanos, int lossPerMille, long bytesPerSecond, boolean connected) {
  /// Every packet passes at once.
  static final LinkWeather FAIR = new LinkWeather(0, 0, 0, Long.MAX_VALUE, true);

  /// No packet passes.
  static final LinkWeather CUT = new LinkWeather(0, 0, 0, Long.MAX_VALUE, false);

  private static final long MILLI = 1_000_000;

  /// Checks ranges.
  LinkWeather {
    boolean positive = delayNanos >= 0 && jitterNanos >= 0 && bytesPerSecond > 0;
    if (!positive || lossPerMille < 0 || lossPerMille > 1000) {
      throw new IllegalArgumentException("no such weather: lossPerMille=" + lossPerMille);
    }
  }

  /// {@return the same with packets that take longer}
  ///
  /// @param millis that each takes
  LinkWeather delayed(int millis) {
    return new LinkWeather(millis * MILLI, jitterNanos, lossPerMille, bytesPerSecond, connected);
  }

  /// {@return the same with packets that overtake each other}
  ///
  /// @param millis up to how much longer each takes
  LinkWeather reordered(int millis) {
    return new LinkWeather(delayNanos, millis * MILLI, lossPerMille, bytesPerSecond, connected);
  }

  /// {@return the same with lost packets}
  ///
  /// @param perMille how many of 1000
  LinkWeather lossy(int perMille) {
    return new LinkWeather(delayNanos, jitterNanos, perMille, bytesPerSecond, connected);
  }

  /// {@return the same at a slower pace}
  ///
  /// @param bytes a second
  LinkWeather throttled(long bytes) {
    return new LinkWeather(delayNanos, jitterNanos, lossPerMille, bytes, connected);
  }

  /// {@return true if some packets are lost on purpose}
  boolean loses() {
    return lossPerMille > 0 || bytesPerSecond < Long.MAX_VALUE || !connected;
  }

  /// {@return true if packets pass as they come}
  boolean isFair() {
    return connected
        && lossPerMille == 0
        && delayNanos == 0
        && jitterNanos == 0
        && bytesPerSecond == Long.MAX_VALUE;
  }
}
