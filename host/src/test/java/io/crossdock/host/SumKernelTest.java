package io.crossdock.host;

import static java.lang.foreign.ValueLayout.JAVA_SHORT;
import static org.assertj.core.api.Assertions.assertThat;

import io.crossdock.ffi.GuardedMemory;
import io.crossdock.ffi.GuardedMemory.Edge;
import java.lang.foreign.Arena;
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

class SumKernelTest {
  private static final long SEED = Long.getLong("crossdock.seed", 20_261_125);
  private static final SumKernel VECTOR = new VectorSumKernel();
  private static final SumKernel SCALAR = new ScalarSumKernel();

  @ParameterizedTest
  @ValueSource(
      ints = {8, 16, 24, 40, 56, 120, 128, 136, 1016, 1024, 1032, 2040, 2048, 2056, 3080, 7168})
  void bothKernelsGiveTheSumOfTheContract(int hidden) {
    SplittableRandom seeds = new SplittableRandom(SEED + hidden);
    for (SumCase.Values values : SumCase.Values.values()) {
      // Long rows take long: past the sizes where a pass ends differently, only some counts.
      for (int rows = 0; rows <= SumCase.MAX_ROWS; rows += hidden > 1032 && rows > 8 ? 8 : 1) {
        checkCase(new SumCase(seeds.nextLong(), hidden, rows, false, values));
        if (rows > 0) {
          checkCase(new SumCase(seeds.nextLong(), hidden, rows, true, values));
        }
      }
    }
  }

  private static void checkCase(SumCase test) {
    try (Arena arena = Arena.ofConfined()) {
      RowSet rows = test.scattered(arena);
      short[] wanted = test.expected();
      test.check("scalar", test.sum(SCALAR, rows, 4), wanted);
      int rowsPerPass = 1 + (int) (test.seed() & 3);
      test.check("vector/" + rowsPerPass, test.sum(VECTOR, rows, rowsPerPass), wanted);
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 2, 3, 4})
  void rowsPerPassDoNotChangeTheSum(int rowsPerPass) {
    for (int rows = 0; rows <= SumCase.MAX_ROWS; rows++) {
      SumCase test = new SumCase(SEED + rows, 1048, rows, rows > 0, SumCase.Values.CANCELLATION);
      try (Arena arena = Arena.ofConfined()) {
        short[] got = test.sum(VECTOR, test.scattered(arena), rowsPerPass);
        test.check("vector/" + rowsPerPass, got, test.expected());
      }
    }
  }

  @ParameterizedTest
  @EnumSource(Edge.class)
  void nothingBeyondARowIsTouched(Edge edge) {
    for (int hidden : new int[] {8, 24, 120, 128, 136, 1016, 1032, 2056}) {
      for (int rows : new int[] {0, 1, 2, 3, 4, 5, 7, 8, 11}) {
        SumCase test =
            new SumCase(SEED + rows, hidden, rows, rows % 2 == 1, SumCase.Values.ANY_BITS);
        sumBetweenGuards(VECTOR, test, edge);
        sumBetweenGuards(SCALAR, test, edge);
      }
    }
  }

  private static void sumBetweenGuards(SumKernel kernel, SumCase test, Edge edge) {
    List<GuardedMemory> owners = new ArrayList<>();
    try (GuardedMemory out = GuardedMemory.allocate(test.hidden() * 2L, edge)) {
      RowSet rows = test.guarded(edge, owners);
      for (int rowsPerPass = 1; rowsPerPass <= 4; rowsPerPass++) {
        kernel.sum(rows, out.segment(), 0, test.work(rowsPerPass));
        test.check(kernel.describe(), test.shorts(out.segment(), 0), test.expected());
      }
    } finally {
      owners.forEach(GuardedMemory::close);
    }
  }

  @Test
  void aWorkIsUsedForOneSumAfterAnother() {
    SumCase wide = new SumCase(SEED, 1032, 9, true, SumCase.Values.PLAIN);
    SumCase none = new SumCase(SEED, 1032, 0, false, SumCase.Values.PLAIN);
    SumKernel.Work work = wide.work(4);
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment out = arena.allocate(1032 * 2L);
      for (SumCase test : new SumCase[] {wide, none, wide}) {
        VECTOR.sum(test.scattered(arena), out, 0, work);
        test.check("vector", test.shorts(out, 0), test.expected());
      }
    }
  }

  @ParameterizedTest
  @CsvSource({
    // A bias of -0 stays; +0.0 is where a sum without bias starts.
    "true, 8000, , 8000",
    "false, 8000, , 0000",
    "true, 8000, 8000, 8000",
    "true, 8000, 0000, 0000",
    // Rounds once, ties to even: 1 + 2^-8 + 2^-24 would round up only if added first.
    "true, 3f80, 3b80, 3f80",
    "true, 3f81, 3b80, 3f82",
    // The largest number and half its last place is an infinity.
    "true, 7f7f, 7b00, 7f80",
    "true, 7f80, ff80, nan",
    "true, 7f81, 3f80, nan",
    "false, ffff, , nan",
  })
  void edgeCasesAreAsDefined(boolean bias, String first, String second, String sum) {
    for (SumKernel kernel : new SumKernel[] {VECTOR, SCALAR}) {
      assertThat(sumOf(kernel, bias, first, second)).as(kernel.describe()).isEqualTo(sum);
    }
  }

  private static String sumOf(SumKernel kernel, boolean bias, String... terms) {
    int hidden = 40;
    RowSet rows = new RowSet(2);
    rows.startsWithFirst = bias;
    try (Arena arena = Arena.ofConfined()) {
      for (String term : terms) {
        if (term != null) {
          short[] row = new short[hidden];
          Arrays.fill(row, (short) Integer.parseInt(term, 16));
          rows.add(arena.allocateFrom(JAVA_SHORT, row), 0);
        }
      }
      MemorySegment out = arena.allocate(hidden * 2L);
      kernel.sum(rows, out, 0, new SumKernel.Work(hidden));
      short[] got = out.toArray(JAVA_SHORT);
      for (short value : got) {
        assertThat(value).isEqualTo(got[0]);
      }
      return (got[0] & 0x7fff) > 0x7f80 ? "nan" : "%04x".formatted(got[0]);
    }
  }
}
