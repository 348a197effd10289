package io.crossdock.verify.faults;

import io.crossdock.verify.harness.OverNodes;

/// [LateErrorsTest] with ranks on several nodes.
@OverNodes
class NodesLateErrorsTest extends LateErrorsTest {}
