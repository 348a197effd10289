package io.crossdock.verify.faults;

import io.crossdock.verify.harness.OverNodes;

/// [DispatchErrorsTest] with ranks on several nodes.
@OverNodes
class NodesDispatchErrorsTest extends DispatchErrorsTest {}
