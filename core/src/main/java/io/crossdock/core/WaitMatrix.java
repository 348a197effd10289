package io.crossdock.core;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/// Wait times of all ranks, from the bytes that each contributed.
///
/// Safe for any thread.
final class WaitMatrix {
  private WaitMatrix() {}

  static long[][] of(byte[][] all) {
    long[][] matrix = new long[all.length][];
    for (int rank = 0; rank < all.length; rank++) {
      MemorySegment bytes = MemorySegment.ofArray(all[rank]);
      matrix[rank] = bytes.toArray(ValueLayout.JAVA_LONG_UNALIGNED);
    }
    return matrix;
  }
}
