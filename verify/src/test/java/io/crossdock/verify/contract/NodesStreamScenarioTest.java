package io.crossdock.verify.contract;

import io.crossdock.verify.harness.OverNodes;

/// [StreamScenarioTest] with ranks on several nodes.
@OverNodes
class NodesStreamScenarioTest extends StreamScenarioTest {}
