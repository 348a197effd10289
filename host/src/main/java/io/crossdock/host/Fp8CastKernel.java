package io.crossdock.host;

import io.crossdock.core.format.Fp8E4m3;
import io.crossdock.core.format.Ue8m0;
import java.lang.foreign.MemorySegment;

/// Casts BF16 rows to FP8 E4M3 codes and one float32 scale for each 128 channels, bit for bit as
/// [io.crossdock.core.format.Fp8Groups#quantiseRow] does, straight from and to memory at offsets of
/// any alignment. Allocates nothing.
///
/// Safe for any thread.
interface Fp8CastKernel {
  /// Smallest amax of a group.
  float MIN_AMAX = 1e-4f;

  /// Casts a row with the scales amax / 448.
  ///
  /// @param x holds the row
  /// @param row byte offset of H BF16
  /// @param page receives codes and scales
  /// @param to byte offset of the H codes
  /// @param toScales byte offset of the H / 128 float32 scales
  void cast(MemorySegment x, long row, MemorySegment page, long to, long toScales);

  /// Casts a row with power-of-two scales (`roundScale`); parameters as of [#cast].
  ///
  /// @param x holds the row
  /// @param row byte offset of H BF16
  /// @param page receives codes and scales
  /// @param to byte offset of the H codes
  /// @param toScales byte offset of the H / 128 float32 scales
  void castRounded(MemorySegment x, long row, MemorySegment page, long to, long toScales);

  /// {@return H}
  int hidden();

  /// {@return what runs, for `doctor`}
  String describe();

  /// {@return the power of two at or above amax / 448}
  ///
  /// @param amax of a group, at least [#MIN_AMAX]
  static float roundedScale(float amax) {
    return Ue8m0.toFloat(Ue8m0.ceiling(amax / Fp8E4m3.MAX));
  }

  /// {@return the kernel for this machine: the Vector API where it can hold four codes for each 128
  /// bits, else the scalar twin}
  ///
  /// @param hidden H; only multiples of 128 can be cast
  static Fp8CastKernel pick(int hidden) {
    return VectorApi.isWanted() && VectorFp8CastKernel.isSupported()
        ? new VectorFp8CastKernel(hidden)
        : new ScalarFp8CastKernel(hidden);
  }
}
