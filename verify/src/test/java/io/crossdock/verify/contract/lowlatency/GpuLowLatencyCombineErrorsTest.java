package io.crossdock.verify.contract.lowlatency;

import io.crossdock.verify.harness.OnCuda;

/// The wrong combines of [LowLatencyCombineErrorsTest] on one GPU, whose kernels check choices.
@OnCuda
class GpuLowLatencyCombineErrorsTest extends LowLatencyCombineErrorsTest {}
