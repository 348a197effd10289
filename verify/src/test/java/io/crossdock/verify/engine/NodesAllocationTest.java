package io.crossdock.verify.engine;

import io.crossdock.verify.harness.OverNodes;

/// [AllocationTest] with ranks on several nodes.
@OverNodes
class NodesAllocationTest extends AllocationTest {}
