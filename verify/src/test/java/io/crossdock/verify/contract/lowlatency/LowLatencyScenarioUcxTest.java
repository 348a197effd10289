package io.crossdock.verify.contract.lowlatency;

import io.crossdock.verify.harness.OverNodes;

/// [LowLatencyScenarioTest] with ranks on several nodes and UCX between them.
@OverNodes(transport = "ucx")
class LowLatencyScenarioUcxTest extends LowLatencyScenarioTest {}
