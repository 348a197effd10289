package io.crossdock.verify.engine;

import io.crossdock.verify.harness.OnCuda;

/// [LowLatencyAllocationTest] on a GPU.
@OnCuda
class GpuLowLatencyAllocationTest extends LowLatencyAllocationTest {}
