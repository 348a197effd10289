package io.crossdock.host;

import java.lang.foreign.MemorySegment;
import java.util.Arrays;

/// The BF16 rows that make up one sum, in the order they are added. Reused.
///
/// Confined to one worker.
final class RowSet {
  final MemorySegment[] segments;
  final long[] offsets;
  int count;

  /// True if the sum starts from the first row itself (a bias), false if it starts from +0.0.
  boolean startsWithFirst;

  RowSet(int maxRows) {
    segments = new MemorySegment[maxRows];
    offsets = new long[maxRows];
  }

  void clear() {
    count = 0;
    startsWithFirst = false;
  }

  /// Forgets the rows, so that nothing of the caller's is kept alive.
  void forget() {
    clear();
    Arrays.fill(segments, null);
  }

  void add(MemorySegment segment, long offset) {
    segments[count] = segment;
    offsets[count++] = offset;
  }
}
