package io.crossdock.verify.faults;

import io.crossdock.verify.harness.OverNodes;

/// [CallMismatchTest] with ranks on several nodes.
@OverNodes
class NodesCallMismatchTest extends CallMismatchTest {}
