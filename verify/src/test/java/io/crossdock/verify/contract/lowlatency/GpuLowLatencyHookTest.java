package io.crossdock.verify.contract.lowlatency;

import io.crossdock.verify.harness.OnCuda;

/// What [LowLatencyHookTest] says of hooks, on one GPU.
@OnCuda
class GpuLowLatencyHookTest extends LowLatencyHookTest {}
