package io.crossdock.core.protocol;

import java.util.Arrays;

/// A growing set of hashes; zero is taken for one.
final class LongSet {
  private long[] table = new long[1 << 12];
  private int size;

  boolean add(long hash) {
    long key = hash == 0 ? 1 : hash;
    if (size * 2 > table.length) {
      grow();
    }
    if (!insert(table, key)) {
      return false;
    }
    size++;
    return true;
  }

  int size() {
    return size;
  }

  private void grow() {
    long[] larger = new long[table.length * 2];
    Arrays.stream(table).filter(key -> key != 0).forEach(key -> insert(larger, key));
    table = larger;
  }

  private static boolean insert(long[] into, long key) {
    int at = (int) (key >>> 32) & (into.length - 1);
    while (into[at] != 0) {
      if (into[at] == key) {
        return false;
      }
      at = (at + 1) & (into.length - 1);
    }
    into[at] = key;
    return true;
  }

  /// {@return a hash of all numbers in which every bit depends on every one of them}
  ///
  /// @param numbers in order
  static long hash(long[] numbers) {
    long hash = numbers.length;
    for (long number : numbers) {
      hash = (hash ^ number) * 0x9E37_79B9_7F4A_7C15L;
      hash ^= hash >>> 29;
    }
    hash *= 0xBF58_476D_1CE4_E5B9L;
    return hash ^ hash >>> 32;
  }
}
