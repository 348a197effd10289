package io.crossdock.verify.guard;

import io.crossdock.verify.harness.OverNodes;

/// [GuardPageTest] with ranks on several nodes.
@OverNodes
class NodesGuardPageTest extends GuardPageTest {}
