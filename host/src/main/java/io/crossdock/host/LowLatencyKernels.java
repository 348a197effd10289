package io.crossdock.host;

/// The kernels that low-latency mode uses.
///
/// Safe for any thread.
///
/// @param cast BF16 rows to FP8
/// @param sum weighted sums
/// @param logFmt LogFMT-10 rows
record LowLatencyKernels(Fp8CastKernel cast, WeightedSumKernel sum, LogFmtKernel logFmt) {

  /// {@return the fastest that run here}
  ///
  /// @param hidden H
  static LowLatencyKernels pick(int hidden) {
    return new LowLatencyKernels(
        Fp8CastKernel.pick(hidden), WeightedSumKernel.pick(), LogFmtKernel.pick());
  }
}
