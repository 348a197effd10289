package io.crossdock.verify.engine;

import io.crossdock.verify.harness.OverNodes;

/// [LowLatencyAllocationTest] with ranks on several nodes.
@OverNodes
class NodesLowLatencyAllocationTest extends LowLatencyAllocationTest {}
