package io.crossdock.host;

import io.crossdock.core.format.Fp8Groups;
import io.crossdock.core.format.Fp8Scale;
import java.lang.foreign.MemorySegment;

/// Stand-in.
interface Fp8CastKernel {
  int hidden();

  static Fp8CastKernel pick(int hidden) {
    return () -> hidden;
  }

  default void cast(MemorySegment x, long row, MemorySegment page, long to, long toScales) {
    int h = hidden();
    Fp8Groups.quantiseRow(
        x.asSlice(row, h * 2L),
        Fp8Scale.AMAX,
        page.asSlice(to, h),
        page.asSlice(toScales, h / 128 * 4L));
  }

  default void castRounded(MemorySegment x, long row, MemorySegment page, long to, long toScales) {
    int h = hidden();
    Fp8Groups.quantiseRow(
        x.asSlice(row, h * 2L),
        Fp8Scale.POWER_OF_TWO,
        page.asSlice(to, h),
        page.asSlice(toScales, h / 128 * 4L));
  }
}
