package io.crossdock.verify.contract;

import io.crossdock.verify.harness.OnCuda;

/// The scenarios of [StreamScenarioTest] on one GPU with ranks as threads.
@OnCuda
class GpuStreamScenarioTest extends StreamScenarioTest {}
