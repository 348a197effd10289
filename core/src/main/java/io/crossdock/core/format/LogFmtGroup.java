package io.crossdock.core.format;

import static java.lang.foreign.ValueLayout.JAVA_SHORT_UNALIGNED;

import java.lang.foreign.MemorySegment;

/// What is known of a group of a LogFMT-10 row, as one long that needs no memory: its header in the
/// low half, the number of its channels in the high half. See [LogFmt10] for the format.
///
/// The header holds two BF16: in its low half amin, the smallest magnitude that is not zero, in its
/// high half amax, the largest. The sign bit of amax says that the group is plain BF16. Both are 0
/// in a group of zeros.
///
/// Safe for any thread.
public final class LogFmtGroup {
  private static final int MAGNITUDE = 0x7fff;
  private static final int ONE = 0x3f80;
  private static final int PLAIN = 0x8000;
  private static final int NONE = 0xffff;
  private static final float OCTAVES = 0x1p32f;

  private LogFmtGroup() {}

  /// Looks at the channels of a group.
  ///
  /// @param x holds them
  /// @param from byte offset of the first
  /// @param channels how many, a multiple of 8, at most 128
  /// @return the group
  public static long of(MemorySegment x, long from, int channels) {
    int smallest = NONE;
    int largest = 0;
    for (int i = 0; i < channels; i++) {
      int magnitude = x.get(JAVA_SHORT_UNALIGNED, from + i * 2L) & MAGNITUDE;
      smallest = magnitude == 0 ? smallest : Math.min(smallest, magnitude);
      largest = Math.max(largest, magnitude);
    }
    return of(smallest, largest, channels);
  }

  /// Makes a group of its range. It is plain if amax is not below 1, which holds for infinities and
  /// NaN too, or if amax > amin * 2^32, a product that is exact.
  ///
  /// @param smallest bits of amin; larger ones if there is none
  /// @param largest bits of amax
  /// @param channels how many
  /// @return the group
  public static long of(int smallest, int largest, int channels) {
    int amin = Math.min(smallest, largest);
    boolean plain = largest >= ONE || widen(largest) > widen(amin) * OCTAVES;
    return of(((plain ? largest | PLAIN : largest) << 16) | amin, channels);
  }

  /// {@return a group as its header tells}
  ///
  /// @param header as stored
  /// @param channels how many
  public static long of(int header, int channels) {
    return ((long) channels << 32) | (header & 0xffffffffL);
  }

  /// {@return the 4 bytes of the header}
  ///
  /// @param group a group
  public static int header(long group) {
    return (int) group;
  }

  /// {@return the number of channels}
  ///
  /// @param group a group
  public static int channels(long group) {
    return (int) (group >>> 32);
  }

  /// {@return true if the group has codes, false if it is plain BF16}
  ///
  /// @param group a group
  public static boolean isCoded(long group) {
    return header(group) >= 0;
  }

  /// {@return bytes of its payload}
  ///
  /// @param group a group
  public static int payloadBytes(long group) {
    int channels = channels(group);
    return isCoded(group) ? channels + channels / 4 : 2 * channels;
  }

  /// {@return the smallest magnitude that is not zero; 0 if all are}
  ///
  /// @param group a group
  public static float amin(long group) {
    return widen(header(group) & MAGNITUDE);
  }

  /// {@return the largest magnitude}
  ///
  /// @param group a group
  public static float amax(long group) {
    return widen((header(group) >>> 16) & MAGNITUDE);
  }

  /// {@return the distance of two codes: (log2(amax) - log2(amin)) / 510}
  ///
  /// @param group a group with codes
  public static float step(long group) {
    return (Log2.log2(amax(group)) - Log2.log2(amin(group))) / LogFmt10.STEPS;
  }

  /// {@return how many codes an octave has: 510 / (log2(amax) - log2(amin)); 0 if amax is amin}
  ///
  /// @param group a group with codes
  public static float codesPerOctave(long group) {
    float octaves = Log2.log2(amax(group)) - Log2.log2(amin(group));
    return octaves > 0 ? LogFmt10.STEPS / octaves : 0;
  }

  private static float widen(int bits) {
    return Float.intBitsToFloat(bits << 16);
  }
}
