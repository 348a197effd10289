package io.crossdock.host;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;
import static java.lang.foreign.ValueLayout.JAVA_SHORT_UNALIGNED;
import static org.assertj.core.api.Assertions.assertThat;

import io.crossdock.core.format.Bf16;
import io.crossdock.ffi.GuardedMemory;
import io.crossdock.ffi.GuardedMemory.Edge;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

class WeightedSumKernelTest {
  private static final long SEED = Long.getLong("crossdock.seed", 20_261_126);
  private static final int MAX_ROWS = 32;
  private static final int MAX_SHIFT = 64;
  private static final byte CANARY = 0x5a;
  private static final float[] ODD_WEIGHTS = {
    0f, -0f, 1f, -1f, Float.MIN_VALUE, 0x1p-126f, 0x1p100f, -Float.MAX_VALUE
  };

  private static final WeightedSumKernel[] KERNELS = {
    new VectorWeightedSumKernel(), new ScalarWeightedSumKernel()
  };

  /// A sum that follows from its seed.
  private record Case(long seed, int hidden, int rows, RowValues values, boolean oddWeights) {
    short[] row(int index) {
      return values.row(seed * 1_000_003 + index, hidden, index % 9 - 4);
    }

    float weight(int index) {
      SplittableRandom random = new SplittableRandom(seed + index);
      return oddWeights && random.nextBoolean()
          ? ODD_WEIGHTS[random.nextInt(ODD_WEIGHTS.length)]
          : (float) random.nextDouble(-1, 1);
    }

    WeightedSumKernel.Rows scattered() {
      SplittableRandom random = new SplittableRandom(seed);
      WeightedSumKernel.Rows set = new WeightedSumKernel.Rows(MAX_ROWS, hidden);
      for (int i = 0; i < rows; i++) {
        int shift = random.nextInt(MAX_SHIFT);
        MemorySegment memory = MemorySegment.ofArray(new byte[hidden * 2 + MAX_SHIFT]);
        MemorySegment.copy(row(i), 0, memory, JAVA_SHORT_UNALIGNED, shift, hidden);
        set.add(memory, shift, weight(i));
      }
      return set;
    }

    /// Sums by the definition.
    short[] expected() {
      float[] sum = new float[hidden];
      for (int index = 0; index < rows; index++) {
        short[] row = row(index);
        for (int i = 0; i < hidden; i++) {
          sum[i] = exactFma(weight(index), Bf16.toFloat(row[i]), sum[i]);
        }
      }
      short[] rounded = new short[hidden];
      for (int i = 0; i < hidden; i++) {
        rounded[i] = Bf16.fromFloat(sum[i]);
      }
      return rounded;
    }

    void check(String kernel, short[] got, short[] wanted) {
      for (int i = 0; i < hidden; i++) {
        boolean same = isNan(wanted[i]) ? isNan(got[i]) : got[i] == wanted[i];
        if (!same) {
          throw new AssertionError(
              "sum differs: kernel=%s, column=%d, got=%04x, expected=%04x, case=%s"
                  .formatted(kernel, i, got[i], wanted[i], this));
        }
      }
    }
  }

  private static boolean isNan(short bits) {
    return (bits & 0x7fff) > 0x7f80;
  }

  /// The product is exact in float64. The sum is rounded there to odd, which keeps what rounding to
  /// float32 must know.
  private static float exactFma(float weight, float value, float sum) {
    double product = (double) weight * value;
    double rough = product + sum;
    double part = rough - product;
    double error = (product - (rough - part)) + (sum - part);
    long bits = Double.doubleToRawLongBits(rough);
    if (!Double.isFinite(rough) || error == 0 || (bits & 1) == 1) {
      return (float) rough;
    }
    return (float) Double.longBitsToDouble(error > 0 == rough > 0 ? bits + 1 : bits - 1);
  }

  @ParameterizedTest
  @ValueSource(ints = {8, 24, 120, 128, 136, 1016, 1024, 1032, 2056, 7168})
  void bothKernelsGiveTheSumOfTheContract(int hidden) {
    SplittableRandom seeds = new SplittableRandom(SEED + hidden);
    for (RowValues values : RowValues.values()) {
      for (int rows = 0; rows <= MAX_ROWS; rows += hidden > 136 && rows > 8 ? 8 : 1) {
        Case test = new Case(seeds.nextLong(), hidden, rows, values, rows % 2 == 1);
        short[] wanted = test.expected();
        for (WeightedSumKernel kernel : KERNELS) {
          test.check(kernel.describe(), sum(kernel, test), wanted);
        }
      }
    }
  }

  private static short[] sum(WeightedSumKernel kernel, Case test) {
    int shift = 1 + (int) (test.seed & 31);
    int end = shift + test.hidden * 2;
    MemorySegment out = MemorySegment.ofArray(new byte[end + MAX_SHIFT]).fill(CANARY);
    kernel.sum(test.scattered(), out, shift);
    for (int at = 0; at < out.byteSize(); at++) {
      boolean inside = at >= shift && at < end;
      if (!inside && out.get(JAVA_BYTE, at) != CANARY) {
        throw new AssertionError("written beside the row: at=" + (at - shift) + ", case=" + test);
      }
    }
    short[] row = new short[test.hidden];
    MemorySegment.copy(out, JAVA_SHORT_UNALIGNED, shift, row, 0, test.hidden);
    return row;
  }

  @Test
  void aSumIsNotAProductAndAnAddition() {
    float value = 1 + 0x1p-7f;
    float uneven = 1 + 0x1p-23f;
    float difference = Math.fma(uneven, value, -value);
    assertThat(difference).isNotEqualTo(uneven * value - value);
    for (WeightedSumKernel kernel : KERNELS) {
      assertThat(sumOf(kernel, new float[] {-1f, uneven}, value, value)).isEqualTo(difference);
    }
  }

  @ParameterizedTest
  @CsvSource({
    // The sum starts at +0.0, so that no row at all and -0 alone give +0.
    "1, 8000, 0000",
    "-1, 0000, 0000",
    "0, 3f80, 0000",
    "1, 0001, 0001",
    "1, 7f7f, 7f7f",
    "2, 7f7f, 7f80",
    "0, 7f80, nan",
    "1, 7f81, nan",
    "-1, ff80, 7f80",
    // Rounds once, ties to even.
    "0.50390625, 3f81, 3f02",
  })
  void edgeCasesAreAsDefined(float weight, String term, String sum) {
    float value = Bf16.toFloat((short) Integer.parseInt(term, 16));
    for (WeightedSumKernel kernel : KERNELS) {
      float got = sumOf(kernel, new float[] {weight}, value);
      String text = Float.isNaN(got) ? "nan" : "%04x".formatted(Bf16.fromFloat(got));
      assertThat(text).as(kernel.describe()).isEqualTo(sum);
    }
  }

  /// Rows of one value each.
  private static float sumOf(WeightedSumKernel kernel, float[] weights, float... values) {
    int hidden = 40;
    WeightedSumKernel.Rows rows = new WeightedSumKernel.Rows(values.length, hidden);
    for (int i = 0; i < values.length; i++) {
      short[] row = new short[hidden];
      Arrays.fill(row, Bf16.fromFloat(values[i]));
      rows.add(MemorySegment.ofArray(row), 0, weights[i]);
    }
    MemorySegment out = MemorySegment.ofArray(new short[hidden]);
    kernel.sum(rows, out, 0);
    short[] got = out.toArray(JAVA_SHORT);
    for (short value : got) {
      assertThat(value).isEqualTo(got[0]);
    }
    return Bf16.toFloat(got[0]);
  }

  @ParameterizedTest
  @EnumSource(Edge.class)
  void nothingBeyondARowIsTouched(Edge edge) {
    for (int hidden : new int[] {8, 24, 120, 128, 136, 1016, 1032, 2056}) {
      for (int count : new int[] {0, 1, 2, 3, 4, 5, 7, 8, 11}) {
        Case test = new Case(SEED + count, hidden, count, RowValues.ANY_BITS, false);
        for (WeightedSumKernel kernel : KERNELS) {
          sumBetweenGuards(kernel, test, edge);
        }
      }
    }
  }

  private static void sumBetweenGuards(WeightedSumKernel kernel, Case test, Edge edge) {
    List<GuardedMemory> owners = new ArrayList<>();
    try (GuardedMemory out = GuardedMemory.allocate(test.hidden * 2L, edge)) {
      WeightedSumKernel.Rows rows = new WeightedSumKernel.Rows(MAX_ROWS, test.hidden);
      for (int i = 0; i < test.rows; i++) {
        GuardedMemory memory = GuardedMemory.allocate(test.hidden * 2L, edge);
        owners.add(memory);
        memory.segment().copyFrom(MemorySegment.ofArray(test.row(i)));
        rows.add(memory.segment(), 0, test.weight(i));
      }
      kernel.sum(rows, out.segment(), 0);
      test.check(kernel.describe(), out.segment().toArray(JAVA_SHORT_UNALIGNED), test.expected());
    } finally {
      owners.forEach(GuardedMemory::close);
    }
  }

  @Test
  void rowsAreUsedForOneSumAfterAnother() {
    Case many = new Case(SEED, 1032, 9, RowValues.NORMAL, false);
    for (WeightedSumKernel kernel : KERNELS) {
      WeightedSumKernel.Rows rows = many.scattered();
      MemorySegment out = MemorySegment.ofArray(new short[1032]);
      kernel.sum(rows, out, 0);
      many.check(kernel.describe(), out.toArray(JAVA_SHORT), many.expected());
      rows.clear();
      kernel.sum(rows, out, 0);
      assertThat(out.toArray(JAVA_SHORT)).isEqualTo(new short[1032]);
    }
  }
}
