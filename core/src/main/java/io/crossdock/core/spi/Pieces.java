package io.crossdock.core.spi;

import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.Objects;

/// Pieces of native memory that are to lie side by side at their target. Reused; arrays only grow.
///
/// Confined to one thread.
public final class Pieces {
  private long[] addresses = new long[8];
  private long[] sizes = new long[8];
  private int count;
  private long byteSize;

  /// Makes an empty list.
  public Pieces() {}

  /// Makes the list empty.
  ///
  /// @return this
  public Pieces clear() {
    count = 0;
    byteSize = 0;
    return this;
  }

  /// Adds a piece behind the others. One that goes on where the last ends becomes part of it.
  ///
  /// @param memory native, alive until the bytes were sent
  /// @param offset where the piece begins
  /// @param bytes its size
  /// @return this
  public Pieces add(MemorySegment memory, long offset, long bytes) {
    if (bytes == 0) {
      return this;
    }
    Objects.checkFromIndexSize(offset, bytes, memory.byteSize());
    long address = memory.address() + offset;
    byteSize += bytes;
    if (count > 0 && addresses[count - 1] + sizes[count - 1] == address) {
      sizes[count - 1] += bytes;
      return this;
    }
    if (count == addresses.length) {
      addresses = Arrays.copyOf(addresses, 2 * count);
      sizes = Arrays.copyOf(sizes, 2 * count);
    }
    addresses[count] = address;
    sizes[count++] = bytes;
    return this;
  }

  /// {@return how many there are}
  public int count() {
    return count;
  }

  /// {@return where a piece begins}
  ///
  /// @param piece from 0 to `count() - 1`
  public long address(int piece) {
    return addresses[piece];
  }

  /// {@return bytes of a piece}
  ///
  /// @param piece from 0 to `count() - 1`
  public long size(int piece) {
    return sizes[piece];
  }

  /// {@return bytes of all pieces}
  public long byteSize() {
    return byteSize;
  }
}
