package io.crossdock.verify.harness;

/// How thorough tests are. A rank that is a process of its own compiles everything anew, so most of
/// the time of `./check` would go there.
///
/// Safe for any thread.
public final class Thoroughness {
  private static final boolean LONG = Boolean.getBoolean("crossdock.long");
  private static final int SHORT_PART = 3;

  private Thoroughness() {}

  /// {@return true with `./check --long`}
  public static boolean isLong() {
    return LONG;
  }

  /// How many random cases a test takes whose cases run in threads too.
  ///
  /// {@return all cases with `./check --long`, else the first third of them, at least one}
  ///
  /// @param all cases, more than 0
  public static int cases(int all) {
    return LONG ? all : Math.max(1, all / SHORT_PART);
  }
}
