package io.crossdock.host;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_SHORT_UNALIGNED;
import static org.assertj.core.api.Assertions.assertThat;

import io.crossdock.core.format.Fp8Groups;
import io.crossdock.core.format.Fp8Scale;
import io.crossdock.ffi.GuardedMemory;
import io.crossdock.ffi.GuardedMemory.Edge;
import java.lang.foreign.MemorySegment;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

class Fp8CastKernelTest {
  private static final long SEED = Long.getLong("crossdock.seed", 20_261_126);
  private static final int[] EXPONENTS = {-133, -126, -40, -16, -13, -4, 0, 7, 60, 126};
  private static final byte CANARY = 0x5a;

  /// A row cast into memory at odd places, with room on both sides that must stay untouched.
  private record Cast(byte[] page, int codesAt, int scalesAt) {
    static Cast of(Fp8CastKernel kernel, Fp8Scale rule, short[] row, long seed) {
      int shift = 1 + (int) (seed & 31);
      int hidden = row.length;
      MemorySegment x = MemorySegment.ofArray(new byte[shift + hidden * 2]);
      MemorySegment.copy(row, 0, x, JAVA_SHORT_UNALIGNED, shift, hidden);
      Cast cast = new Cast(new byte[hidden * 2 + 128], shift, shift + hidden + 7);
      MemorySegment page = MemorySegment.ofArray(cast.page).fill(CANARY);
      cast(kernel, rule, x, shift, page, cast.codesAt, cast.scalesAt);
      return cast;
    }

    private static void cast(
        Fp8CastKernel kernel,
        Fp8Scale rule,
        MemorySegment x,
        long row,
        MemorySegment page,
        long codesAt,
        long scalesAt) {
      switch (rule) {
        case AMAX -> kernel.cast(x, row, page, codesAt, scalesAt);
        case POWER_OF_TWO -> kernel.castRounded(x, row, page, codesAt, scalesAt);
      }
    }

    /// The same by the reference.
    static Cast reference(Fp8Scale rule, short[] row, long seed) {
      int shift = 1 + (int) (seed & 31);
      int hidden = row.length;
      Cast cast = new Cast(new byte[hidden * 2 + 128], shift, shift + hidden + 7);
      MemorySegment page = MemorySegment.ofArray(cast.page).fill(CANARY);
      Fp8Groups.quantiseRow(
          MemorySegment.ofArray(row),
          rule,
          page.asSlice(cast.codesAt, hidden),
          page.asSlice(cast.scalesAt, hidden / Fp8Groups.CHANNELS * 4L));
      return cast;
    }
  }

  private static Fp8CastKernel[] kernels(int hidden) {
    return new Fp8CastKernel[] {new VectorFp8CastKernel(hidden), new ScalarFp8CastKernel(hidden)};
  }

  @ParameterizedTest
  @EnumSource(RowValues.class)
  void bothKernelsGiveTheBytesOfTheReference(RowValues values) {
    SplittableRandom seeds = new SplittableRandom(SEED);
    for (int hidden : new int[] {128, 256, 384, 1152, 7168}) {
      for (int exponent : EXPONENTS) {
        long seed = seeds.nextLong();
        short[] row = values.row(seed, hidden, exponent);
        String text =
            "%s, hidden=%d, exponent=%d, seed=%d".formatted(values, hidden, exponent, seed);
        check(row, seed, text);
      }
    }
  }

  private static void check(short[] row, long seed, String text) {
    for (Fp8Scale rule : Fp8Scale.values()) {
      byte[] wanted = Cast.reference(rule, row, seed).page;
      for (Fp8CastKernel kernel : kernels(row.length)) {
        assertThat(Cast.of(kernel, rule, row, seed).page)
            .as("%s, rule=%s, %s", kernel.describe(), rule, text)
            .isEqualTo(wanted);
      }
    }
  }

  /// Each of the 65536 in a group of its own, beside a 1 that sets the scale of the small ones, and
  /// all of them in a few groups of their neighbours.
  @Test
  void everyBf16IsCastAsByTheReference() {
    short[] beside = new short[128 * 512];
    short[] dense = new short[1 << 16];
    for (int start = 0; start < 1 << 16; start += 512) {
      for (int group = 0; group < 512; group++) {
        beside[group * 128] = (short) 0x3f80;
        beside[group * 128 + 1 + group % 127] = (short) (start + group);
      }
      check(beside, start, "beside one, start=" + start);
    }
    for (int bits = 0; bits < 1 << 16; bits++) {
      dense[bits] = (short) bits;
    }
    check(dense, 0, "all in order");
  }

  /// Products that lie on and beside the middle between two codes, also between denormals.
  @Test
  void tiesGoToEven() {
    short[] row = new short[128 * 64];
    SplittableRandom random = new SplittableRandom(SEED);
    for (int i = 0; i < row.length; i++) {
      boolean first = i % 128 == 0;
      row[i] = (short) (first ? 0x43e0 : random.nextInt(0x3a80, 0x43e0));
    }
    check(row, 1, "amax is 448, scale is 1, seed=" + SEED);
  }

  @ParameterizedTest
  @ValueSource(ints = {128, 640, 7168})
  void nothingBeyondARowIsTouched(int hidden) {
    short[] row = RowValues.NORMAL.row(SEED, hidden, 0);
    for (Edge edge : Edge.values()) {
      try (GuardedMemory x = GuardedMemory.allocate(hidden * 2L, edge);
          GuardedMemory codes = GuardedMemory.allocate(hidden + hidden / 128 * 4L, edge)) {
        x.segment().copyFrom(MemorySegment.ofArray(row));
        for (Fp8CastKernel kernel : kernels(hidden)) {
          // Codes last: a cast that writes too many of them meets the guard, or the scales.
          kernel.cast(x.segment(), 0, codes.segment(), hidden / 128 * 4L, 0);
          byte[] last = codes.segment().toArray(JAVA_BYTE);
          kernel.cast(x.segment(), 0, codes.segment(), 0, hidden);
          byte[] first = codes.segment().toArray(JAVA_BYTE);
          Cast wanted = Cast.reference(Fp8Scale.AMAX, row, 0);
          assertThat(MemorySegment.ofArray(last).asSlice(hidden / 128 * 4L).toArray(JAVA_BYTE))
              .isEqualTo(slice(wanted.page, wanted.codesAt, hidden));
          assertThat(slice(first, 0, hidden)).isEqualTo(slice(wanted.page, wanted.codesAt, hidden));
          assertThat(slice(first, hidden, hidden / 128 * 4))
              .isEqualTo(slice(wanted.page, wanted.scalesAt, hidden / 128 * 4));
        }
      }
    }
  }

  private static byte[] slice(byte[] bytes, int from, int length) {
    return MemorySegment.ofArray(bytes).asSlice(from, length).toArray(JAVA_BYTE);
  }
}
