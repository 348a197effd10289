package io.crossdock.verify.contract.lowlatency;

import io.crossdock.verify.harness.OverNodes;

/// [LowLatencyScenarioTest] with ranks on several nodes.
@OverNodes
class NodesLowLatencyScenarioTest extends LowLatencyScenarioTest {}
