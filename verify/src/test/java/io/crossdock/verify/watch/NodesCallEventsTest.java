package io.crossdock.verify.watch;

import io.crossdock.verify.harness.OverNodes;

/// [CallEventsTest] with ranks on several nodes.
@OverNodes
class NodesCallEventsTest extends CallEventsTest {}
