package io.crossdock.verify.contract;

import io.crossdock.verify.harness.OverNodes;

/// [OutputLeaseTest] with ranks on several nodes.
@OverNodes
class NodesOutputLeaseTest extends OutputLeaseTest {}
