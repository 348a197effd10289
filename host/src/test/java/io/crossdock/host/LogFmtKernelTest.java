package io.crossdock.host;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_SHORT_UNALIGNED;
import static org.assertj.core.api.Assertions.assertThat;

import io.crossdock.core.format.Bf16;
import io.crossdock.core.format.LogFmt10;
import io.crossdock.ffi.GuardedMemory;
import io.crossdock.ffi.GuardedMemory.Edge;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

class LogFmtKernelTest {
  private static final long SEED = Long.getLong("crossdock.seed", 20_261_126);
  private static final int[] HIDDENS = {8, 24, 120, 128, 136, 384, 1016, 1032, 7168};
  private static final int[] EXPONENTS = {-133, -126, -100, -40, -8, -3, 0, 3};
  private static final byte CANARY = 0x5a;
  private static final LogFmtKernel VECTOR = new VectorLogFmtKernel();
  private static final LogFmtKernel SCALAR = new ScalarLogFmtKernel();

  /// An encoded row with room on both sides that must stay untouched.
  private static byte[] encode(LogFmtKernel kernel, short[] row, int shift) {
    int hidden = row.length;
    MemorySegment y = MemorySegment.ofArray(new byte[shift + hidden * 2]);
    MemorySegment.copy(row, 0, y, JAVA_SHORT_UNALIGNED, shift, hidden);
    byte[] page = new byte[(int) LogFmt10.maxRowBytes(hidden) + 2 * shift];
    Arrays.fill(page, CANARY);
    long used = kernel.encodeRow(y, shift, MemorySegment.ofArray(page), shift, hidden);
    for (int at = 0; at < page.length; at++) {
      if (at < shift || at >= shift + used) {
        assertThat(page[at]).as("byte beside the row: %d", at - shift).isEqualTo(CANARY);
      }
    }
    return Arrays.copyOfRange(page, shift, shift + (int) used);
  }

  private static int[] decode(LogFmtKernel kernel, byte[] encoded, int hidden, int shift) {
    byte[] page = new byte[encoded.length + shift];
    System.arraycopy(encoded, 0, page, shift, encoded.length);
    float[] values = new float[hidden];
    long used = kernel.decodeRow(MemorySegment.ofArray(page), shift, values);
    assertThat(used).isEqualTo(encoded.length);
    return bits(values);
  }

  private static int[] bits(float[] values) {
    int[] bits = new int[values.length];
    for (int i = 0; i < values.length; i++) {
      bits[i] = Float.floatToRawIntBits(values[i]);
    }
    return bits;
  }

  private static void check(short[] row, int shift, String text) {
    byte[] wanted = encode(SCALAR, row, shift);
    assertThat(encode(VECTOR, row, shift)).as(text).isEqualTo(wanted);
    assertThat(decode(VECTOR, wanted, row.length, shift))
        .as(text)
        .isEqualTo(decode(SCALAR, wanted, row.length, shift));
  }

  @ParameterizedTest
  @EnumSource(RowValues.class)
  void bothKernelsGiveTheSameBits(RowValues values) {
    SplittableRandom seeds = new SplittableRandom(SEED);
    for (int hidden : HIDDENS) {
      for (int exponent : EXPONENTS) {
        long seed = seeds.nextLong();
        short[] row = values.row(seed, hidden, exponent);
        int shift = 1 + (int) (seed & 31);
        check(
            row,
            shift,
            "%s, hidden=%d, exponent=%d, seed=%d".formatted(values, hidden, exponent, seed));
      }
    }
  }

  /// Every BF16 below 1 beside a smallest and a largest, so that codes of all kinds occur.
  @ParameterizedTest
  @ValueSource(ints = {1, 4, 31, 32})
  void everyMagnitudeIsCodedAlike(int octaves) {
    for (int high = 0x3f7f; high - octaves * 0x80 > 0; high -= 0x80 * octaves - 5) {
      int count = octaves * 0x80;
      short[] row = new short[(count / 126 + 1) * 128];
      for (int i = 0; i < row.length; i++) {
        int magnitude = i % 128 == 0 ? high : i % 128 == 1 ? high - count : high - i % count;
        row[i] = (short) (magnitude | (i % 3 == 0 ? 0x8000 : 0));
      }
      check(row, 1, "high=%04x, octaves=%d".formatted(high, octaves));
    }
  }

  /// Bytes of any origin must not make the kernels differ, let alone fail.
  @Test
  void anyCodesAreDecodedAlike() {
    SplittableRandom random = new SplittableRandom(SEED);
    for (int i = 0; i < 500; i++) {
      byte[] encoded = new byte[4 + 160];
      random.nextBytes(encoded);
      int low = random.nextInt(0x3f80);
      int high = low + random.nextInt(0x3f80 - low);
      MemorySegment header = MemorySegment.ofArray(encoded);
      header.set(JAVA_SHORT_UNALIGNED, 0, (short) low);
      header.set(JAVA_SHORT_UNALIGNED, 2, (short) high);
      assertThat(decode(VECTOR, encoded, 128, 0))
          .as("low=%04x, high=%04x, seed=%d", low, high, SEED)
          .isEqualTo(decode(SCALAR, encoded, 128, 0));
    }
  }

  @ParameterizedTest
  @EnumSource(Edge.class)
  void nothingBeyondARowIsTouched(Edge edge) {
    for (int hidden : HIDDENS) {
      for (RowValues values : new RowValues[] {RowValues.NORMAL, RowValues.SPECIAL}) {
        short[] row = values.row(SEED + hidden, hidden, -8);
        for (LogFmtKernel kernel : new LogFmtKernel[] {VECTOR, SCALAR}) {
          codeBetweenGuards(kernel, row, edge);
        }
      }
    }
  }

  private static void codeBetweenGuards(LogFmtKernel kernel, short[] row, Edge edge) {
    byte[] wanted = encode(SCALAR, row, 1);
    try (GuardedMemory y = GuardedMemory.allocate(row.length * 2L, edge);
        GuardedMemory page = GuardedMemory.allocate(wanted.length, edge)) {
      y.segment().copyFrom(MemorySegment.ofArray(row));
      long used = kernel.encodeRow(y.segment(), 0, page.segment(), 0, row.length);
      assertThat(used).isEqualTo(wanted.length);
      assertThat(page.segment().toArray(JAVA_BYTE)).isEqualTo(wanted);
      float[] values = new float[row.length];
      assertThat(kernel.decodeRow(page.segment(), 0, values)).isEqualTo(used);
      assertThat(bits(values)).isEqualTo(decode(SCALAR, wanted, row.length, 0));
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {8, 128, 136, 1016, 1024, 1032, 2056, 7168})
  void encodedRowsAreSummedAsDecodedOnes(int hidden) {
    for (int rows : new int[] {0, 1, 2, 5, 8}) {
      for (RowValues values : new RowValues[] {RowValues.NORMAL, RowValues.LOG_NORMAL}) {
        String text = "hidden=%d, rows=%d, %s, seed=%d".formatted(hidden, rows, values, SEED);
        short[] wanted = new short[hidden];
        WeightedSumKernel.Rows set = encodedRows(hidden, rows, values, wanted);
        for (LogFmtKernel decoder : new LogFmtKernel[] {VECTOR, SCALAR}) {
          assertThat(sum(new VectorWeightedSumKernel(), set, decoder)).as(text).isEqualTo(wanted);
          assertThat(sum(new ScalarWeightedSumKernel(), set, decoder)).as(text).isEqualTo(wanted);
        }
      }
    }
  }

  /// Encoded rows at odd places, and their sum by the definition.
  private static WeightedSumKernel.Rows encodedRows(
      int hidden, int rows, RowValues values, short[] sum) {
    WeightedSumKernel.Rows set = new WeightedSumKernel.Rows(8, hidden);
    float[] sums = new float[hidden];
    for (int index = 0; index < rows; index++) {
      // Some rows reach 1, so that some groups are plain.
      short[] row = values.row(SEED + index, hidden, index - 4);
      byte[] encoded = encode(SCALAR, row, 1);
      MemorySegment page = MemorySegment.ofArray(new byte[encoded.length + index]);
      page.asSlice(index).copyFrom(MemorySegment.ofArray(encoded));
      float weight = 0.3f * index - 0.7f;
      set.add(page, index, weight);
      float[] decoded = new float[hidden];
      LogFmt10.decodeRow(page, index, decoded);
      for (int i = 0; i < hidden; i++) {
        sums[i] = Math.fma(weight, decoded[i], sums[i]);
      }
    }
    for (int i = 0; i < hidden; i++) {
      sum[i] = Bf16.fromFloat(sums[i]);
    }
    return set;
  }

  private static short[] sum(
      WeightedSumKernel kernel, WeightedSumKernel.Rows set, LogFmtKernel decoder) {
    MemorySegment out = MemorySegment.ofArray(new byte[set.hidden * 2 + 6]).fill(CANARY);
    kernel.sumEncoded(set, decoder, out, 3);
    assertThat(out.get(JAVA_BYTE, 2)).isEqualTo(CANARY);
    assertThat(out.get(JAVA_BYTE, 3 + set.hidden * 2L)).isEqualTo(CANARY);
    short[] row = new short[set.hidden];
    MemorySegment.copy(out, JAVA_SHORT_UNALIGNED, 3, row, 0, set.hidden);
    return row;
  }
}
