package io.crossdock.verify.faults;

import io.crossdock.verify.harness.OverNodes;

/// [OpenErrorsTest] with ranks on several nodes.
@OverNodes
class NodesOpenErrorsTest extends OpenErrorsTest {}
