package io.crossdock.verify.contract.lowlatency;

import io.crossdock.verify.harness.OnCuda;

/// The scenarios of [LowLatencyScenarioTest] on one GPU with ranks as threads.
@OnCuda
class GpuLowLatencyScenarioTest extends LowLatencyScenarioTest {}
