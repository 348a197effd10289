package io.crossdock.verify.contract;

import io.crossdock.verify.harness.OnCuda;

/// The scenarios of [ScenarioTest] on one GPU with ranks as threads.
@OnCuda
class GpuScenarioTest extends ScenarioTest {}
