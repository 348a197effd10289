package io.crossdock.verify.contract.lowlatency;

import io.crossdock.verify.harness.OnCuda;

/// The wrong dispatches of [LowLatencyDispatchErrorsTest] on one GPU, whose kernels check choices.
@OnCuda
class GpuLowLatencyDispatchErrorsTest extends LowLatencyDispatchErrorsTest {}
