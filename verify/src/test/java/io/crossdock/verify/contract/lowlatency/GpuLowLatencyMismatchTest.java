package io.crossdock.verify.contract.lowlatency;

import io.crossdock.verify.harness.OnCuda;

/// The differing calls of [LowLatencyMismatchTest] on one GPU, where kernels find them.
@OnCuda
class GpuLowLatencyMismatchTest extends LowLatencyMismatchTest {}
