package io.crossdock.verify.contract;

import io.crossdock.verify.harness.OverNodes;

/// [StreamScenarioTest] with ranks on several nodes and UCX between them.
@OverNodes(transport = "ucx")
class StreamScenarioUcxTest extends StreamScenarioTest {}
