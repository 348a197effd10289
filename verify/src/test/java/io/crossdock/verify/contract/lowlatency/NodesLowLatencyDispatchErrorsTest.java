package io.crossdock.verify.contract.lowlatency;

import io.crossdock.verify.harness.OverNodes;

/// [LowLatencyDispatchErrorsTest] with ranks on several nodes.
@OverNodes
class NodesLowLatencyDispatchErrorsTest extends LowLatencyDispatchErrorsTest {}
