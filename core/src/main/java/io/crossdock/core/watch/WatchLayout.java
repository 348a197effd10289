package io.crossdock.core.watch;

/// Where the wait counters of one rank lie in its watch file: a rank writes them, `doctor --watch`
/// reads them from another process.
///
/// ```
/// | magic | version | rank | numRanks | numBuckets |  buckets of peer 0 .. | buckets of peer 1 .. | ..
///   \_ longs; magic is published last _/              longs: waits counted since the session began
/// ```
///
/// Safe for any thread.
public final class WatchLayout {
  /// Begins the name of every watch file; then come process, rank and something unique.
  public static final String FILE_PREFIX = "crossdock-watch-";

  /// First long of a file that is ready to be read.
  public static final long MAGIC = 0x63726f7373646f63L;

  /// Of this layout and of [WaitBuckets].
  public static final long VERSION = 1;

  /// Offset of the magic number.
  public static final long MAGIC_AT;

  /// Offset of the version.
  public static final long VERSION_AT;

  /// Offset of the rank that writes.
  public static final long RANK_AT;

  /// Offset of the number of ranks.
  public static final long NUM_RANKS_AT;

  /// Offset of the number of buckets of each peer.
  public static final long NUM_BUCKETS_AT;

  /// Offset of the first bucket of peer 0, and the least size of a file.
  public static final long HEADER_BYTES;

  private static final long CACHE_LINE = 64;

  static {
    long cursor = 0;
    MAGIC_AT = cursor;
    cursor += Long.BYTES;
    VERSION_AT = cursor;
    cursor += Long.BYTES;
    RANK_AT = cursor;
    cursor += Long.BYTES;
    NUM_RANKS_AT = cursor;
    cursor += Long.BYTES;
    NUM_BUCKETS_AT = cursor;
    cursor += Long.BYTES;
    HEADER_BYTES = Math.ceilDiv(cursor, CACHE_LINE) * CACHE_LINE;
  }

  private WatchLayout() {}

  /// {@return where a counter lies}
  ///
  /// @param peer that was waited for
  /// @param bucket of [WaitBuckets]
  public static long counterAt(int peer, int bucket) {
    return HEADER_BYTES + ((long) peer * WaitBuckets.COUNT + bucket) * Long.BYTES;
  }

  /// {@return bytes of a file}
  ///
  /// @param numRanks R
  public static long byteSize(int numRanks) {
    return counterAt(numRanks, 0);
  }
}
