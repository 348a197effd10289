package io.crossdock.verify.contract.lowlatency;

import io.crossdock.verify.harness.OverNodes;

/// [LowLatencyHookTest] with ranks on several nodes.
@OverNodes
class NodesLowLatencyHookTest extends LowLatencyHookTest {}
