package io.crossdock.verify.harness;

import java.util.SplittableRandom;

/// Draws how many rows cross the network between nodes at a time: another number for each rank and
/// each of its calls, since no rank needs to know what another takes.
///
/// Safe for any thread.
public final class NetworkChunks {
  private static final int MOST_ROWS = 40;

  /// One call in so many sends all rows at once.
  private static final int ALL_AT_ONCE = 8;

  private NetworkChunks() {}

  /// {@return rows at a time}
  ///
  /// @param seed of the case
  /// @param rank that sends
  /// @param call of that rank, counted from 0
  public static int rows(long seed, int rank, int call) {
    SplittableRandom random = new SplittableRandom(seed * 65_537 + rank * 257L + call);
    boolean isAll = random.nextInt(ALL_AT_ONCE) == 0;
    return isAll ? Integer.MAX_VALUE : 1 + random.nextInt(MOST_ROWS);
  }
}
