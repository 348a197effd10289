package io.crossdock.verify.contract;

import io.crossdock.verify.harness.OverNodes;

/// [ScenarioTest] with ranks on several nodes and UCX between them.
@OverNodes(transport = "ucx")
class ScenarioUcxTest extends ScenarioTest {}
