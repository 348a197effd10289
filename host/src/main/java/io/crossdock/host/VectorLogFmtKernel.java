package io.crossdock.host;

import static io.crossdock.core.format.LogFmt10.CHANNELS;
import static io.crossdock.core.format.LogFmt10.HEADER_BYTES;
import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;
import static jdk.incubator.vector.VectorOperators.ASHR;
import static jdk.incubator.vector.VectorOperators.I2B;
import static jdk.incubator.vector.VectorOperators.I2F;
import static jdk.incubator.vector.VectorOperators.LSHL;
import static jdk.incubator.vector.VectorOperators.LSHR;
import static jdk.incubator.vector.VectorOperators.MAX;
import static jdk.incubator.vector.VectorOperators.MIN;
import static jdk.incubator.vector.VectorOperators.ZERO_EXTEND_B2I;
import static jdk.incubator.vector.VectorOperators.ZERO_EXTEND_S2I;

import io.crossdock.core.format.Log2;
import io.crossdock.core.format.LogFmt10;
import io.crossdock.core.format.LogFmtGroup;
import java.lang.foreign.MemorySegment;
import java.nio.ByteOrder;
import jdk.incubator.vector.ByteVector;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.ShortVector;
import jdk.incubator.vector.VectorShape;
import jdk.incubator.vector.VectorSpecies;

/// LogFMT-10 with the Vector API. Full groups are a whole number of vectors; a short one at the end
/// of a row goes to the twin. Loops are in one piece: a method that takes or gives vectors
/// allocates them unless it is inlined, which the compiler promises only for small ones.
///
/// Safe for any thread. Its scalar twin is [ScalarLogFmtKernel].
final class VectorLogFmtKernel implements LogFmtKernel {
  private static final ByteOrder LE = ByteOrder.LITTLE_ENDIAN;
  private static final VectorSpecies<Float> F = FloatVector.SPECIES_PREFERRED;
  private static final VectorSpecies<Integer> I = IntVector.SPECIES_PREFERRED;
  private static final VectorSpecies<Short> WHOLE = ShortVector.SPECIES_PREFERRED;
  private static final VectorSpecies<Short> S =
      VectorSpecies.of(short.class, VectorShape.forBitSize(I.vectorBitSize() / 2));
  private static final VectorSpecies<Byte> B =
      VectorSpecies.of(byte.class, VectorShape.forBitSize(Math.max(64, I.vectorBitSize() / 4)));
  private static final int LANES = I.length();
  private static final int QUARTER = CHANNELS / 4;
  private static final int ROUND_BITS = Float.floatToRawIntBits(Log2.ROUND);
  private static final short MAGNITUDE = 0x7fff;

  /// {@return whether vectors of codes, a quarter as wide as those of float32, exist here}
  static boolean isSupported() {
    return I.vectorBitSize() >= 256 && LANES <= QUARTER;
  }

  @Override
  public String describe() {
    return "vector" + I.vectorBitSize();
  }

  @Override
  public long encodeRow(MemorySegment y, long from, MemorySegment page, long to, int hidden) {
    long payload = to + LogFmt10.headerBytes(hidden);
    for (int first = 0; first < hidden; first += CHANNELS) {
      long channels = from + first * 2L;
      boolean full = hidden - first >= CHANNELS;
      long group = full ? group(y, channels) : LogFmtGroup.of(y, channels, hidden - first);
      page.set(JAVA_INT_UNALIGNED, to + first / CHANNELS * HEADER_BYTES, LogFmtGroup.header(group));
      if (full && LogFmtGroup.isCoded(group)) {
        encodeGroup(y, channels, page, payload, group);
      } else {
        LogFmt10.encodeGroup(y, channels, page, payload, group);
      }
      payload += LogFmtGroup.payloadBytes(group);
    }
    return payload - to;
  }

  /// Magnitudes are compared as integers. For the smallest they are taken less 1, so that zero
  /// becomes the largest of all.
  private static long group(MemorySegment y, long channels) {
    ShortVector largest = ShortVector.zero(WHOLE);
    ShortVector smallest = ShortVector.broadcast(WHOLE, MAGNITUDE);
    for (int i = 0; i < CHANNELS; i += WHOLE.length()) {
      ShortVector magnitude =
          ShortVector.fromMemorySegment(WHOLE, y, channels + i * 2L, LE).and(MAGNITUDE);
      largest = largest.max(magnitude);
      smallest = smallest.min(magnitude.sub((short) 1).and(MAGNITUDE));
    }
    return LogFmtGroup.of(smallest.reduceLanes(MIN) + 1, largest.reduceLanes(MAX), CHANNELS);
  }

  private static void encodeGroup(
      MemorySegment y, long from, MemorySegment page, long to, long group) {
    float lowest = Log2.log2(LogFmtGroup.amin(group));
    float codesPerOctave = LogFmtGroup.codesPerOctave(group);
    // Zeros first, so that all quarters are alike: a choice between two vectors would allocate one.
    for (int i = 0; i < QUARTER; i += LANES) {
      ByteVector.zero(B).intoMemorySegment(page, to + CHANNELS + i, LE);
    }
    for (int i = 0; i < CHANNELS; i += LANES) {
      IntVector bits = load(y, from + i * 2L);
      IntVector magnitude = bits.and(0x7fff0000);
      FloatVector raised = magnitude.reinterpretAsFloats().mul(Log2.RAISE);
      IntVector split = raised.reinterpretAsInts().sub(Log2.ROOT_BITS);
      IntVector power = split.lanewise(ASHR, Log2.MANTISSA_BITS).sub(Log2.RAISED);
      FloatVector f = split.and(Log2.MANTISSA).add(Log2.ROOT_BITS).reinterpretAsFloats().sub(1.0f);
      FloatVector p = FloatVector.broadcast(F, Log2.L6).fma(f, FloatVector.broadcast(F, Log2.L5));
      p = p.fma(f, FloatVector.broadcast(F, Log2.L4));
      p = p.fma(f, FloatVector.broadcast(F, Log2.L3));
      p = p.fma(f, FloatVector.broadcast(F, Log2.L2));
      p = p.fma(f, FloatVector.broadcast(F, Log2.L1));
      p = p.fma(f, FloatVector.broadcast(F, Log2.L0));
      FloatVector octave = f.fma(p, (FloatVector) power.convert(I2F, 0));
      FloatVector position = octave.sub(lowest).mul(codesPerOctave);
      IntVector near = position.add(Log2.ROUND).reinterpretAsInts().sub(ROUND_BITS - 1);
      IntVector code = near.blend(0, magnitude.eq(0));
      ((ByteVector) code.convertShape(I2B, B, 0)).intoMemorySegment(page, to + i, LE);
      IntVector pair = code.lanewise(LSHR, 8).or(bits.lanewise(LSHR, 30).and(2));
      long pairs = to + CHANNELS + i % QUARTER;
      IntVector others =
          (IntVector)
              ByteVector.fromMemorySegment(B, page, pairs, LE).convertShape(ZERO_EXTEND_B2I, I, 0);
      IntVector all = pair.mul(1 << (2 * (i / QUARTER))).or(others);
      ((ByteVector) all.convertShape(I2B, B, 0)).intoMemorySegment(page, pairs, LE);
    }
  }

  @Override
  public long decode(MemorySegment page, long headers, long payload, float[] values, int count) {
    long next = payload;
    for (int first = 0; first < count; first += CHANNELS) {
      int header = page.get(JAVA_INT_UNALIGNED, headers + first / CHANNELS * HEADER_BYTES);
      long group = LogFmtGroup.of(header, Math.min(CHANNELS, count - first));
      if (count - first < CHANNELS) {
        LogFmt10.decodeGroup(page, next, group, values, first);
      } else if (LogFmtGroup.isCoded(group)) {
        decodeGroup(page, next, group, values, first);
      } else {
        widenGroup(page, next, values, first);
      }
      next += LogFmtGroup.payloadBytes(group);
    }
    return next;
  }

  private static void widenGroup(MemorySegment page, long from, float[] values, int first) {
    for (int i = 0; i < CHANNELS; i += LANES) {
      load(page, from + i * 2L).reinterpretAsFloats().intoArray(values, first + i);
    }
  }

  private static void decodeGroup(
      MemorySegment page, long from, long group, float[] values, int first) {
    float amin = LogFmtGroup.amin(group);
    float amax = LogFmtGroup.amax(group);
    FloatVector lowest = FloatVector.broadcast(F, Log2.log2(amin));
    FloatVector step = FloatVector.broadcast(F, LogFmtGroup.step(group));
    for (int i = 0; i < CHANNELS; i += LANES) {
      IntVector pair = bytes(page, from + CHANNELS + i % QUARTER).lanewise(LSHR, 2 * (i / QUARTER));
      IntVector code = bytes(page, from + i).or(pair.and(1).lanewise(LSHL, 8));
      FloatVector l = ((FloatVector) code.sub(1).convert(I2F, 0)).fma(step, lowest);
      FloatVector shifted = l.add(Log2.ROUND);
      FloatVector r = l.sub(shifted.sub(Log2.ROUND));
      FloatVector q = FloatVector.broadcast(F, Log2.E5).fma(r, FloatVector.broadcast(F, Log2.E4));
      q = q.fma(r, FloatVector.broadcast(F, Log2.E3));
      q = q.fma(r, FloatVector.broadcast(F, Log2.E2));
      q = q.fma(r, FloatVector.broadcast(F, Log2.E1));
      q = q.fma(r, FloatVector.broadcast(F, Log2.E0));
      IntVector n = shifted.reinterpretAsInts().sub(ROUND_BITS - Log2.RAISED);
      IntVector raised = q.reinterpretAsInts().add(n.lanewise(LSHL, Log2.MANTISSA_BITS));
      FloatVector power = raised.reinterpretAsFloats().mul(1 / Log2.RAISE);
      IntVector magnitude = power.min(amax).max(amin).reinterpretAsInts();
      IntVector sign = pair.and(2).lanewise(LSHL, 30);
      magnitude.blend(0, code.eq(0)).or(sign).reinterpretAsFloats().intoArray(values, first + i);
    }
  }

  /// BF16 as the bits of float32.
  private static IntVector load(MemorySegment row, long offset) {
    IntVector wide =
        (IntVector)
            ShortVector.fromMemorySegment(S, row, offset, LE).convertShape(ZERO_EXTEND_S2I, I, 0);
    return wide.lanewise(LSHL, 16);
  }

  private static IntVector bytes(MemorySegment page, long offset) {
    return (IntVector)
        ByteVector.fromMemorySegment(B, page, offset, LE).convertShape(ZERO_EXTEND_B2I, I, 0);
  }
}
