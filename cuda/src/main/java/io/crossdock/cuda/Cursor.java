package io.crossdock.cuda;

/// Hands out consecutive, aligned ranges.
///
/// Confined to one thread.
final class Cursor {
  /// Two cache lines: what one rank stores and another polls shares them with nothing else.
  static final int LINE_BYTES = 128;

  private long next;

  /// Takes a range.
  ///
  /// @return its offset
  long take(long count, long elementBytes) {
    long start = end(LINE_BYTES);
    next = Math.addExact(start, Math.multiplyExact(count, elementBytes));
    return start;
  }

  /// Takes a range right behind the one before.
  long append(long count, long elementBytes) {
    long start = end(Long.BYTES);
    next = Math.addExact(start, Math.multiplyExact(count, elementBytes));
    return start;
  }

  /// The aligned offset behind the last range.
  long end(long alignment) {
    return Math.addExact(next, alignment - 1) / alignment * alignment;
  }
}
