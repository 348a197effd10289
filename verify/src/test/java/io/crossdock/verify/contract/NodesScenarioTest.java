package io.crossdock.verify.contract;

import io.crossdock.verify.harness.OverNodes;

/// [ScenarioTest] with ranks on several nodes.
@OverNodes
class NodesScenarioTest extends ScenarioTest {}
