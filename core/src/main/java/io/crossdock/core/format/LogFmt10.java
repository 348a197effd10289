package io.crossdock.core.format;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_SHORT_UNALIGNED;

import java.lang.foreign.MemorySegment;

/// LogFMT-10: BF16 rows as a sign and a logarithmic code of 9 bits for each channel, in groups of
/// 128; 10 bits instead of 16. A row is coded once and decoded to float32, which is not rounded.
///
/// ```
///  | header of each group | payload of group 0 | payload of group 1 | ..
///
///  header:       amin | amax                      two BF16, 4 bytes; see LogFmtGroup
///  coded group:  low 8 bits of the codes          n bytes
///                pairs: code bit 8, sign          n / 4 bytes
///  plain group:  the channels as BF16             2n bytes
/// ```
///
/// A group has n = 128 channels; the last may have fewer, a multiple of 8. Byte j of its pairs
/// holds those of channels j, j + n/4, j + n/2 and j + 3n/4, the first in the lowest bits.
///
/// With a = log2(amin), b = log2(amax), s = (b - a) / 510, code 0 is zero and code c from 1 to 511
/// stands for 2^(a + (c - 1) * s), clamped to [amin, amax]. A channel gets the nearest code in the
/// domain of logarithms: c = 1 + round((log2|x| - a) * (510 / (b - a))), ties to even. Logarithm
/// and power are those of [Log2], everything else is one float32 operation each.
///
/// Edge cases: both zeros keep their sign. A group of zeros has amin = amax = 0 and codes 0. A
/// group of one magnitude has codes 1 and is exact. Denormals are coded as other numbers are. A
/// group is plain, which keeps its bits, if amax is not below 1 (NaN and infinities among them) or
/// if amax > 2^32 * amin.
///
/// Within a coded group the error is at most 2^(s / 2) - 1 of the value, 2.2 % where the range is
/// 32 octaves, besides some 1e-5 of rounding.
///
/// Safe for any thread.
public final class LogFmt10 {
  /// Channels of a group.
  public static final int CHANNELS = 128;

  /// Bytes of a header.
  public static final long HEADER_BYTES = 4;

  /// Steps between the code of amin and that of amax.
  public static final float STEPS = 510;

  private static final int SIGN = 0x8000;
  private static final int ROUND_BITS = Float.floatToRawIntBits(Log2.ROUND);

  private LogFmt10() {}

  /// {@return bytes of the headers of a row}
  ///
  /// @param hidden H
  public static long headerBytes(int hidden) {
    return (hidden + CHANNELS - 1L) / CHANNELS * HEADER_BYTES;
  }

  /// {@return bytes of a row whose groups are all coded}
  ///
  /// @param hidden H
  public static long codedRowBytes(int hidden) {
    return headerBytes(hidden) + hidden + hidden / 4;
  }

  /// {@return the most bytes that a row may take: those of one whose groups are all plain}
  ///
  /// @param hidden H
  public static long maxRowBytes(int hidden) {
    return headerBytes(hidden) + 2L * hidden;
  }

  /// Encodes a row.
  ///
  /// @param x holds the row
  /// @param from byte offset of H BF16, of any alignment
  /// @param page receives the encoded row, at most [#maxRowBytes]
  /// @param to byte offset of it
  /// @param hidden H, a multiple of 8
  /// @return the bytes it takes
  public static long encodeRow(
      MemorySegment x, long from, MemorySegment page, long to, int hidden) {
    long payload = to + headerBytes(hidden);
    for (int first = 0; first < hidden; first += CHANNELS) {
      long channels = from + first * 2L;
      long group = LogFmtGroup.of(x, channels, Math.min(CHANNELS, hidden - first));
      page.set(JAVA_INT_UNALIGNED, to + first / CHANNELS * HEADER_BYTES, LogFmtGroup.header(group));
      encodeGroup(x, channels, page, payload, group);
      payload += LogFmtGroup.payloadBytes(group);
    }
    return payload - to;
  }

  /// Encodes the payload of a group.
  ///
  /// @param x holds the channels
  /// @param from byte offset of the first
  /// @param page receives the payload
  /// @param to byte offset of it
  /// @param group the group
  public static void encodeGroup(
      MemorySegment x, long from, MemorySegment page, long to, long group) {
    int channels = LogFmtGroup.channels(group);
    if (!LogFmtGroup.isCoded(group)) {
      MemorySegment.copy(x, from, page, to, channels * 2L);
      return;
    }
    float lowest = Log2.log2(LogFmtGroup.amin(group));
    float codesPerOctave = LogFmtGroup.codesPerOctave(group);
    int quarter = channels / 4;
    for (int i = 0; i < channels; i++) {
      short bits = x.get(JAVA_SHORT_UNALIGNED, from + i * 2L);
      int code = code(Math.abs(Bf16.toFloat(bits)), lowest, codesPerOctave);
      page.set(JAVA_BYTE, to + i, (byte) code);
      long pairs = to + channels + i % quarter;
      int pair = (code >> 8) | ((bits & SIGN) >> 14);
      int before = i < quarter ? 0 : page.get(JAVA_BYTE, pairs);
      page.set(JAVA_BYTE, pairs, (byte) (before | (pair << (2 * (i / quarter)))));
    }
  }

  private static int code(float magnitude, float lowest, float codesPerOctave) {
    if (magnitude == 0) {
      return 0;
    }
    float position = (Log2.log2(magnitude) - lowest) * codesPerOctave;
    return Float.floatToRawIntBits(position + Log2.ROUND) - ROUND_BITS + 1;
  }

  /// Decodes a row.
  ///
  /// @param page holds the encoded row
  /// @param from byte offset of it
  /// @param values receives H float32; its length is H
  /// @return the bytes it took
  public static long decodeRow(MemorySegment page, long from, float[] values) {
    long payload = from + headerBytes(values.length);
    return decode(page, from, payload, values, values.length) - from;
  }

  /// Decodes some groups that follow each other in a row.
  ///
  /// @param page holds the encoded row
  /// @param headers byte offset of the first header
  /// @param payload byte offset of the first payload
  /// @param values receives float32, from its first element on
  /// @param count how many, a multiple of 128 unless the row ends there
  /// @return byte offset behind the last payload
  public static long decode(
      MemorySegment page, long headers, long payload, float[] values, int count) {
    long next = payload;
    for (int first = 0; first < count; first += CHANNELS) {
      int header = page.get(JAVA_INT_UNALIGNED, headers + first / CHANNELS * HEADER_BYTES);
      long group = LogFmtGroup.of(header, Math.min(CHANNELS, count - first));
      decodeGroup(page, next, group, values, first);
      next += LogFmtGroup.payloadBytes(group);
    }
    return next;
  }

  /// Decodes a group.
  ///
  /// @param page holds the payload
  /// @param from byte offset of it
  /// @param group the group
  /// @param values receives float32
  /// @param first where the first goes
  public static void decodeGroup(
      MemorySegment page, long from, long group, float[] values, int first) {
    int channels = LogFmtGroup.channels(group);
    if (!LogFmtGroup.isCoded(group)) {
      for (int i = 0; i < channels; i++) {
        values[first + i] = Bf16.toFloat(page.get(JAVA_SHORT_UNALIGNED, from + i * 2L));
      }
      return;
    }
    float step = LogFmtGroup.step(group);
    int quarter = channels / 4;
    for (int i = 0; i < channels; i++) {
      int pair = page.get(JAVA_BYTE, from + channels + i % quarter) >> (2 * (i / quarter));
      int code = ((pair & 1) << 8) | (page.get(JAVA_BYTE, from + i) & 0xff);
      float magnitude = code == 0 ? 0 : magnitude(code, step, group);
      values[first + i] = (pair & 2) == 0 ? magnitude : -magnitude;
    }
  }

  private static float magnitude(int code, float step, long group) {
    float amin = LogFmtGroup.amin(group);
    float power = Log2.exp2(Math.fma(code - 1, step, Log2.log2(amin)));
    return Math.max(amin, Math.min(power, LogFmtGroup.amax(group)));
  }
}
