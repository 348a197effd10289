package io.crossdock.verify.faults;

import io.crossdock.verify.harness.OverNodes;

/// [LowLatencyCloseTest] with ranks on several nodes.
@OverNodes
class NodesLowLatencyCloseTest extends LowLatencyCloseTest {}
