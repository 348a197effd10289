package io.crossdock.verify.contract.lowlatency;

import io.crossdock.verify.harness.OverNodes;

/// [LowLatencyMismatchTest] with ranks on several nodes.
@OverNodes
class NodesLowLatencyMismatchTest extends LowLatencyMismatchTest {}
