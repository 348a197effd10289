package io.crossdock.cuda.driver;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/// A few native words of each thread, where the driver puts its answers, so that calls allocate
/// nothing. An answer is read before the next call.
///
/// Confined to the thread that got it.
final class Scratch {
  static final int BYTES = 256;

  private static final int ALIGNMENT = 64;
  private static final ThreadLocal<Scratch> OF_THREAD = ThreadLocal.withInitial(Scratch::new);

  private final MemorySegment segment = Arena.ofAuto().allocate(BYTES, ALIGNMENT);
  private final long address = segment.address();

  private Scratch() {}

  /// The scratch of the current thread, with what the last call left in it.
  static Scratch get() {
    return OF_THREAD.get();
  }

  MemorySegment segment() {
    return segment;
  }

  long address() {
    return address;
  }

  /// Address of a 64-bit word.
  long addressOf(int word) {
    return address + (long) word * Long.BYTES;
  }

  long word(int word) {
    return segment.get(JAVA_LONG, (long) word * Long.BYTES);
  }

  void clearWord() {
    segment.set(JAVA_LONG, 0, 0L);
  }

  int firstInt() {
    return segment.get(JAVA_INT, 0);
  }

  float firstFloat() {
    return segment.get(JAVA_FLOAT, 0);
  }

  String text() {
    return segment.getString(0);
  }
}
