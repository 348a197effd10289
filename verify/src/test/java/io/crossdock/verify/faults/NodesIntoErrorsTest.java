package io.crossdock.verify.faults;

import io.crossdock.verify.harness.OverNodes;

/// [IntoErrorsTest] with ranks on several nodes.
@OverNodes
class NodesIntoErrorsTest extends IntoErrorsTest {}
