package io.crossdock.verify.engine;

import io.crossdock.verify.harness.OverNodes;

/// [CloseTest] with ranks on several nodes.
@OverNodes
class NodesCloseTest extends CloseTest {}
