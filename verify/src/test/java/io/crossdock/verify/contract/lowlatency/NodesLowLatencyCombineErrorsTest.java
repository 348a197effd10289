package io.crossdock.verify.contract.lowlatency;

import io.crossdock.verify.harness.OverNodes;

/// [LowLatencyCombineErrorsTest] with ranks on several nodes.
@OverNodes
class NodesLowLatencyCombineErrorsTest extends LowLatencyCombineErrorsTest {}
