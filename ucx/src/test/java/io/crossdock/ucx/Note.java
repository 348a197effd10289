package io.crossdock.ucx;

import java.lang.foreign.MemorySegment;

/// A message made by hand, be it good or not.
///
/// Confined to one thread at a time.
final class Note {
  private final MemorySegment header;
  private int numRecords;

  private Note(MemorySegment header) {
    this.header = header;
  }

  /// Begins one in memory of [Operation#HEADER_BYTES].
  static Note in(MemorySegment header, int sender, long token, long sequence) {
    Frame.setToken(header, 0, token);
    Frame.setSender(header, 0, sender);
    Frame.setSequence(header, 0, sequence);
    Frame.setCount(header, 0, 0);
    return new Note(header);
  }

  Note record(int kind, long offset, long value) {
    long at = Frame.bytes(numRecords++);
    Frame.setPlace(header, at, kind, offset);
    Frame.setValue(header, at, value);
    Frame.setCount(header, 0, numRecords);
    return this;
  }

  Note put(long offset, long bytes) {
    return record(Frame.PUT, offset, bytes);
  }

  Note signal(long offset, long value) {
    return record(Frame.SIGNAL, offset, value);
  }

  /// Lies about how many records there are.
  Note count(int claimed) {
    Frame.setCount(header, 0, claimed);
    return this;
  }

  long address() {
    return header.address();
  }

  long byteSize() {
    return Frame.bytes(numRecords);
  }
}
