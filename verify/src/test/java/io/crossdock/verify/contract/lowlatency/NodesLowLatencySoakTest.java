package io.crossdock.verify.contract.lowlatency;

import io.crossdock.verify.harness.OverNodes;

/// [LowLatencySoakTest] with ranks on several nodes.
@OverNodes
class NodesLowLatencySoakTest extends LowLatencySoakTest {}
