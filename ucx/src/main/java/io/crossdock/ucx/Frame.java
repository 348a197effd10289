package io.crossdock.ucx;

import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;

import io.crossdock.ucx.binding.Operation;
import java.lang.foreign.MemorySegment;

/// Header of a message: who sends it, which of his it is, and records of what it says. The bytes of
/// its puts follow behind each other.
///
/// ```
///  0 token | 8 sender, numRecords | 16 sequence | 24 records: kind and offset, value
/// ```
///
/// Safe for any thread.
final class Frame {
  /// Number of the handler of messages.
  static final int ID = 1;

  /// Bytes of the message go to the offset; the value is how many.
  static final int PUT = 1;

  /// The value is stored at the offset, with release, after all records before.
  static final int SIGNAL = 2;

  /// The first message of a sender.
  static final int HELLO = 3;

  /// The hello has arrived.
  static final int WELCOME = 4;

  /// The last message of a sender.
  static final int FAREWELL = 5;

  /// Bytes without records.
  static final long FIXED_BYTES = 24;

  /// Bytes of a record.
  static final long RECORD_BYTES = 16;

  /// Records at most.
  static final int MOST_RECORDS = (int) ((Operation.HEADER_BYTES - FIXED_BYTES) / RECORD_BYTES);

  private static final long SENDER_AT = 8;
  private static final long COUNT_AT = 12;
  private static final long SEQUENCE_AT = 16;
  private static final int KIND_SHIFT = 56;
  private static final long OFFSET_MASK = (1L << KIND_SHIFT) - 1;

  private Frame() {}

  static long bytes(int numRecords) {
    return FIXED_BYTES + numRecords * RECORD_BYTES;
  }

  static void setToken(MemorySegment memory, long at, long token) {
    memory.set(JAVA_LONG_UNALIGNED, at, token);
  }

  static long token(MemorySegment memory, long at) {
    return memory.get(JAVA_LONG_UNALIGNED, at);
  }

  static void setSender(MemorySegment memory, long at, int sender) {
    memory.set(JAVA_INT_UNALIGNED, at + SENDER_AT, sender);
  }

  static int sender(MemorySegment memory, long at) {
    return memory.get(JAVA_INT_UNALIGNED, at + SENDER_AT);
  }

  static void setCount(MemorySegment memory, long at, int numRecords) {
    memory.set(JAVA_INT_UNALIGNED, at + COUNT_AT, numRecords);
  }

  static int count(MemorySegment memory, long at) {
    return memory.get(JAVA_INT_UNALIGNED, at + COUNT_AT);
  }

  static void setSequence(MemorySegment memory, long at, long sequence) {
    memory.set(JAVA_LONG_UNALIGNED, at + SEQUENCE_AT, sequence);
  }

  static long sequence(MemorySegment memory, long at) {
    return memory.get(JAVA_LONG_UNALIGNED, at + SEQUENCE_AT);
  }

  static void setPlace(MemorySegment memory, long at, int kind, long offset) {
    memory.set(JAVA_LONG_UNALIGNED, at, ((long) kind << KIND_SHIFT) | (offset & OFFSET_MASK));
  }

  /// Kind of the record that begins there.
  static int kind(MemorySegment memory, long at) {
    return (int) (memory.get(JAVA_LONG_UNALIGNED, at) >>> KIND_SHIFT);
  }

  static long offset(MemorySegment memory, long at) {
    return memory.get(JAVA_LONG_UNALIGNED, at) & OFFSET_MASK;
  }

  static void setValue(MemorySegment memory, long at, long value) {
    memory.set(JAVA_LONG_UNALIGNED, at + Long.BYTES, value);
  }

  static long value(MemorySegment memory, long at) {
    return memory.get(JAVA_LONG_UNALIGNED, at + Long.BYTES);
  }
}
