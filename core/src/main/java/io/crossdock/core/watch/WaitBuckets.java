package io.crossdock.core.watch;

/// Log-linear buckets of waits: 16 for each octave of nanoseconds, so a bucket is at most a
/// sixteenth as wide as the waits in it are long. Bucket 0 has the waits that were over at the
/// first look.
///
/// Safe for any thread.
public final class WaitBuckets {
  private static final int SUB_BITS = 4;
  private static final int PER_OCTAVE = 1 << SUB_BITS;

  /// Waits of more than 2^44 ns, almost five hours, all count in the last bucket.
  private static final int MAX_BITS = 44;

  /// Number of buckets.
  public static final int COUNT = (MAX_BITS - SUB_BITS + 1) * PER_OCTAVE;

  private WaitBuckets() {}

  /// {@return the bucket of a wait}
  ///
  /// @param nanos at least 0
  public static int of(long nanos) {
    if (nanos < PER_OCTAVE) {
      return (int) Math.max(0, nanos);
    }
    if (nanos >>> MAX_BITS != 0) {
      return COUNT - 1;
    }
    int shift = Long.SIZE - 1 - SUB_BITS - Long.numberOfLeadingZeros(nanos);
    return shift * PER_OCTAVE + (int) (nanos >>> shift);
  }

  /// {@return the shortest wait of a bucket, in nanoseconds}
  ///
  /// @param bucket below [#COUNT]
  public static long lowest(int bucket) {
    int shift = shift(bucket);
    return (long) (bucket - shift * PER_OCTAVE) << shift;
  }

  /// {@return the longest wait of a bucket, in nanoseconds}
  ///
  /// @param bucket below [#COUNT]
  public static long highest(int bucket) {
    return lowest(bucket) + (1L << shift(bucket)) - 1;
  }

  /// {@return the middle of a bucket, in nanoseconds}
  ///
  /// @param bucket below [#COUNT]
  public static long middle(int bucket) {
    return lowest(bucket) + ((1L << shift(bucket)) - 1) / 2;
  }

  private static int shift(int bucket) {
    return Math.max(0, bucket / PER_OCTAVE - 1);
  }
}
