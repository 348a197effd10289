package io.crossdock.verify.contract;

import io.crossdock.verify.harness.OverNodes;

/// [SoakTest] with ranks on several nodes.
@OverNodes
class NodesSoakTest extends SoakTest {}
