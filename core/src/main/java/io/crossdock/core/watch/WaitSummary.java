package io.crossdock.core.watch;

/// What some waits have in common.
///
/// Safe for any thread.
///
/// @param count how many
/// @param medianNanos the middle of the bucket that has the median; 0 if there were none
/// @param maxNanos the upper edge of the highest bucket with a wait; 0 if there were none
public record WaitSummary(long count, long medianNanos, long maxNanos) {

  /// {@return the summary of counters}
  ///
  /// @param counters waits in each bucket of [WaitBuckets]
  public static WaitSummary of(long[] counters) {
    long count = 0;
    int highest = 0;
    for (int bucket = 0; bucket < counters.length; bucket++) {
      count += counters[bucket];
      highest = counters[bucket] > 0 ? bucket : highest;
    }
    if (count == 0) {
      return new WaitSummary(0, 0, 0);
    }
    long median = WaitBuckets.middle(bucketOf(Math.ceilDiv(count, 2), counters));
    return new WaitSummary(count, median, WaitBuckets.highest(highest));
  }

  /// The bucket of the n-th shortest wait.
  private static int bucketOf(long n, long[] counters) {
    int bucket = 0;
    for (long seen = counters[0]; seen < n; seen += counters[bucket]) {
      bucket++;
    }
    return bucket;
  }
}
