package io.crossdock.host;

import static io.crossdock.core.format.Fp8Groups.CHANNELS;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;
import static jdk.incubator.vector.VectorOperators.I2B;
import static jdk.incubator.vector.VectorOperators.LSHL;
import static jdk.incubator.vector.VectorOperators.LSHR;
import static jdk.incubator.vector.VectorOperators.MAX;
import static jdk.incubator.vector.VectorOperators.ZERO_EXTEND_S2I;

import io.crossdock.core.format.Fp8E4m3;
import java.lang.foreign.MemorySegment;
import java.nio.ByteOrder;
import jdk.incubator.vector.ByteVector;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.ShortVector;
import jdk.incubator.vector.VectorShape;
import jdk.incubator.vector.VectorSpecies;

/// Casts with the Vector API. A group is a whole number of vectors of any width, so there is no
/// tail.
///
/// A group of finite values is cast without branches: no product passes 448 by more than rounding
/// takes back, so nothing is to be saturated. A group with NaN or an infinity goes to the twin.
///
/// Safe for any thread. Its scalar twin is [ScalarFp8CastKernel].
///
/// @param hidden H
record VectorFp8CastKernel(int hidden) implements Fp8CastKernel {
  private static final ByteOrder LE = ByteOrder.LITTLE_ENDIAN;
  private static final VectorSpecies<Integer> I = IntVector.SPECIES_PREFERRED;
  private static final VectorSpecies<Short> WHOLE = ShortVector.SPECIES_PREFERRED;
  private static final VectorSpecies<Short> S =
      VectorSpecies.of(short.class, VectorShape.forBitSize(I.vectorBitSize() / 2));
  private static final VectorSpecies<Byte> B =
      VectorSpecies.of(byte.class, VectorShape.forBitSize(Math.max(64, I.vectorBitSize() / 4)));

  private static final int LANES = I.length();

  private static final short MAGNITUDE = 0x7fff;
  private static final int INFINITY = 0x7f80;

  /// 2^14, whose last place is 2^-9, the spacing of the denormals of E4M3.
  private static final float DENORMAL_MAGIC = 0x1p14f;

  private static final int DENORMAL_MAGIC_BITS = Float.floatToRawIntBits(DENORMAL_MAGIC);
  private static final int MIN_NORMAL_BITS = Float.floatToRawIntBits(0x1p-6f);
  private static final int DROPPED_BITS = 20;

  /// Just below half of the last place kept, and the difference of the exponent biases.
  private static final int ROUND_AND_REBIAS = (1 << (DROPPED_BITS - 1)) - 1 - ((127 - 7) << 23);

  /// {@return whether vectors of codes, a quarter as wide as those of float32, exist here}
  static boolean isSupported() {
    return I.vectorBitSize() >= 256;
  }

  @Override
  public String describe() {
    return "vector" + I.vectorBitSize();
  }

  @Override
  public void cast(MemorySegment x, long row, MemorySegment page, long to, long toScales) {
    for (int i = 0; i < hidden; i += CHANNELS) {
      long group = row + i * 2L;
      int largest = largest(x, group);
      float amax = largest < INFINITY ? amax(largest) : ScalarFp8CastKernel.amax(x, group);
      page.set(JAVA_FLOAT_UNALIGNED, toScales + i / CHANNELS * 4L, amax / Fp8E4m3.MAX);
      if (largest < INFINITY) {
        castGroup(x, group, Fp8E4m3.MAX / amax, page, to + i);
      } else {
        ScalarFp8CastKernel.castGroup(x, group, Fp8E4m3.MAX / amax, page, to + i);
      }
    }
  }

  @Override
  public void castRounded(MemorySegment x, long row, MemorySegment page, long to, long toScales) {
    for (int i = 0; i < hidden; i += CHANNELS) {
      long group = row + i * 2L;
      int largest = largest(x, group);
      float amax = largest < INFINITY ? amax(largest) : ScalarFp8CastKernel.amax(x, group);
      float scale = Fp8CastKernel.roundedScale(amax);
      page.set(JAVA_FLOAT_UNALIGNED, toScales + i / CHANNELS * 4L, scale);
      if (largest < INFINITY) {
        castGroup(x, group, 1 / scale, page, to + i);
      } else {
        ScalarFp8CastKernel.castGroup(x, group, 1 / scale, page, to + i);
      }
    }
  }

  private static float amax(int largest) {
    return Math.max(MIN_AMAX, Float.intBitsToFloat(largest << 16));
  }

  /// The largest magnitude as the bits of its BF16, which are in the order of the values; NaN is
  /// above all.
  private static int largest(MemorySegment x, long group) {
    ShortVector largest = ShortVector.zero(WHOLE);
    for (int i = 0; i < CHANNELS; i += WHOLE.length()) {
      largest =
          largest.max(ShortVector.fromMemorySegment(WHOLE, x, group + i * 2L, LE).and(MAGNITUDE));
    }
    return largest.reduceLanes(MAX);
  }

  /// In one piece: a method that takes or gives vectors allocates them unless it is inlined, which
  /// the compiler does not promise.
  private static void castGroup(
      MemorySegment x, long group, float factor, MemorySegment page, long to) {
    for (int i = 0; i < CHANNELS; i += LANES) {
      IntVector wide =
          (IntVector)
              ShortVector.fromMemorySegment(S, x, group + i * 2L, LE)
                  .convertShape(ZERO_EXTEND_S2I, I, 0);
      FloatVector value = wide.lanewise(LSHL, 16).reinterpretAsFloats();
      IntVector bits = value.mul(factor).reinterpretAsInts();
      IntVector magnitude = bits.and(0x7fffffff);
      IntVector even = magnitude.lanewise(LSHR, DROPPED_BITS).and(1);
      IntVector normal = magnitude.add(even).add(ROUND_AND_REBIAS).lanewise(LSHR, DROPPED_BITS);
      FloatVector shifted = magnitude.reinterpretAsFloats().add(DENORMAL_MAGIC);
      IntVector denormal = shifted.reinterpretAsInts().sub(DENORMAL_MAGIC_BITS);
      IntVector code = normal.blend(denormal, magnitude.lt(MIN_NORMAL_BITS));
      IntVector signed = code.or(bits.lanewise(LSHR, 24).and(0x80));
      ((ByteVector) signed.convertShape(I2B, B, 0)).intoMemorySegment(page, to + i, LE);
    }
  }
}
