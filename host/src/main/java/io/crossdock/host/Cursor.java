package io.crossdock.host;

/// Hands out consecutive, aligned ranges.
///
/// Confined to one thread.
final class Cursor {
  private long next;

  Cursor() {}

  Cursor(long begin) {
    next = begin;
  }

  long take(long bytes, int alignment) {
    long start = end(alignment);
    next = Math.addExact(start, bytes);
    return start;
  }

  long end(int alignment) {
    return Math.addExact(next, alignment - 1L) / alignment * alignment;
  }
}
