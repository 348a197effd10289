package io.crossdock.verify.faults;

import io.crossdock.verify.harness.OverNodes;

/// [WaitBoundsTest] with ranks on several nodes.
@OverNodes
class NodesWaitBoundsTest extends WaitBoundsTest {}
