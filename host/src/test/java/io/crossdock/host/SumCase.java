package io.crossdock.host;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_SHORT_UNALIGNED;

import io.crossdock.ffi.GuardedMemory;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;

/// BF16 rows to be summed, and what their sum must be by a walk in float64 that shares no code with
/// the kernels. Everything follows from the seed, so the text of a case is enough to run it again.
///
/// @param seed of the values and offsets
/// @param hidden H
/// @param rows how many
/// @param startsWithFirst the first row is a bias
/// @param values what the rows hold
record SumCase(long seed, int hidden, int rows, boolean startsWithFirst, Values values) {
  static final int MAX_ROWS = 40;
  private static final int MAX_SHIFT = 64;
  private static final byte CANARY = 0x5a;

  /// What rows hold.
  enum Values {
    /// Numbers of one magnitude.
    PLAIN,
    /// Large numbers of both signs that leave small ones.
    CANCELLATION,
    /// Only zeros of both signs and denormals.
    TINY,
    /// Zeros, denormals, infinities, the largest numbers and NaN, quiet and signalling, among plain
    /// numbers.
    SPECIAL,
    /// Any 16 bits.
    ANY_BITS
  }

  private static final int[] SPECIALS = {
    0x0000, 0x0001, 0x0040, 0x007f, 0x0080, 0x3f80, 0x7f7f, 0x7f80, 0x7f81, 0x7fbf, 0x7fc0, 0x7fff
  };

  private short value(SplittableRandom random) {
    int sign = random.nextInt(2) << 15;
    int magnitude =
        switch (values) {
          case PLAIN -> 0x3f00 + random.nextInt(0x100);
          case CANCELLATION -> (random.nextInt(3) == 0 ? 0x3e00 : 0x4b80) + random.nextInt(0x100);
          case TINY -> random.nextInt(4) == 0 ? 0 : random.nextInt(0x80);
          case SPECIAL ->
              random.nextInt(4) == 0
                  ? SPECIALS[random.nextInt(SPECIALS.length)]
                  : 0x3f00 + random.nextInt(0x100);
          case ANY_BITS -> random.nextInt(0x8000);
        };
    return (short) (sign | magnitude);
  }

  private short[] row(int index) {
    SplittableRandom random = new SplittableRandom(seed * 1_000_003 + index);
    short[] row = new short[hidden];
    for (int i = 0; i < hidden; i++) {
      row[i] = value(random);
    }
    return row;
  }

  /// Rows at any byte offset of a segment of their own.
  RowSet scattered(Arena arena) {
    SplittableRandom random = new SplittableRandom(seed);
    RowSet set = empty();
    for (int i = 0; i < rows; i++) {
      long shift = random.nextInt(MAX_SHIFT);
      MemorySegment memory = arena.allocate(hidden * 2L + MAX_SHIFT, MAX_SHIFT);
      fill(memory, shift, i);
      set.add(memory, shift);
    }
    return set;
  }

  /// Rows that each lie against a page nobody may touch.
  RowSet guarded(GuardedMemory.Edge edge, List<GuardedMemory> owners) {
    RowSet set = empty();
    for (int i = 0; i < rows; i++) {
      GuardedMemory memory = GuardedMemory.allocate(hidden * 2L, edge);
      owners.add(memory);
      fill(memory.segment(), 0, i);
      set.add(memory.segment(), 0);
    }
    return set;
  }

  private RowSet empty() {
    RowSet set = new RowSet(MAX_ROWS);
    set.startsWithFirst = startsWithFirst;
    return set;
  }

  private void fill(MemorySegment memory, long offset, int index) {
    MemorySegment.copy(row(index), 0, memory, JAVA_SHORT_UNALIGNED, offset, hidden);
  }

  /// Sums into memory that is longer than the row on both sides.
  ///
  /// @return the row
  /// @throws AssertionError if a byte beside the row was written
  short[] sum(SumKernel kernel, RowSet set, int rowsPerPass) {
    int shift = 1 + (int) (seed & 31);
    MemorySegment out = MemorySegment.ofArray(new byte[hidden * 2 + MAX_SHIFT]).fill(CANARY);
    kernel.sum(set, out, shift, work(rowsPerPass));
    for (long at = 0; at < out.byteSize(); at++) {
      boolean inside = at >= shift && at < shift + hidden * 2L;
      if (!inside && out.get(JAVA_BYTE, at) != CANARY) {
        throw new AssertionError("written beside the row: at=" + (at - shift) + ", case=" + this);
      }
    }
    return shorts(out, shift);
  }

  SumKernel.Work work(int rowsPerPass) {
    SumKernel.Work work = new SumKernel.Work(hidden);
    work.rowsPerPass = rowsPerPass;
    return work;
  }

  short[] shorts(MemorySegment memory, long offset) {
    short[] row = new short[hidden];
    MemorySegment.copy(memory, JAVA_SHORT_UNALIGNED, offset, row, 0, hidden);
    return row;
  }

  /// The sum that the contract asks for. Two float32 add up exactly enough in float64 that rounding
  /// to float32 afterwards is the float32 addition.
  short[] expected() {
    double[] sum = new double[hidden];
    for (int index = 0; index < rows; index++) {
      short[] row = row(index);
      for (int i = 0; i < hidden; i++) {
        double value = decode(row[i]);
        sum[i] = index == 0 && startsWithFirst ? value : (float) (sum[i] + value);
      }
    }
    short[] rounded = new short[hidden];
    for (int i = 0; i < hidden; i++) {
      rounded[i] = nearest(sum[i]);
    }
    return rounded;
  }

  /// A BF16 by its definition: sign, exponent, mantissa.
  private static double decode(short bits) {
    int exponent = bits >>> 7 & 0xff;
    int mantissa = bits & 0x7f;
    double magnitude =
        switch (exponent) {
          case 0 -> Math.scalb((double) mantissa, -133);
          case 0xff -> mantissa == 0 ? Double.POSITIVE_INFINITY : Double.NaN;
          default -> Math.scalb(128.0 + mantissa, exponent - 134);
        };
    return bits < 0 ? -magnitude : magnitude;
  }

  /// The nearest multiple of the spacing of BF16 there, ties to even.
  private static short nearest(double value) {
    int exponent = Math.max(Math.getExponent(value), Float.MIN_EXPONENT);
    double spacing = Math.scalb(1.0, exponent - 7);
    double near = Double.isFinite(value) ? Math.rint(value / spacing) * spacing : value;
    return (short) (Float.floatToRawIntBits((float) near) >>> 16);
  }

  /// Compares bit for bit. Which NaN a sum of NaNs gives is the machine's choice, so there only
  /// that it is a quiet one counts.
  void check(String kernel, short[] got, short[] wanted) {
    for (int i = 0; i < hidden; i++) {
      boolean same = isNan(wanted[i]) ? isQuietNan(got[i]) : got[i] == wanted[i];
      if (!same) {
        List<String> terms = new ArrayList<>();
        for (int index = 0; index < rows; index++) {
          terms.add("%04x".formatted(row(index)[i]));
        }
        throw new AssertionError(
            "sum differs: kernel=%s, column=%d, got=%04x, expected=%04x, terms=%s, case=%s"
                .formatted(kernel, i, got[i], wanted[i], terms, this));
      }
    }
  }

  private static boolean isNan(short bits) {
    return (bits & 0x7fff) > 0x7f80;
  }

  private static boolean isQuietNan(short bits) {
    return isNan(bits) && (bits & 0x40) != 0;
  }
}
