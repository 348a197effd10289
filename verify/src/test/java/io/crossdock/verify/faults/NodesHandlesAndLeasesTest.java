package io.crossdock.verify.faults;

import io.crossdock.verify.harness.OverNodes;

/// [HandlesAndLeasesTest] with ranks on several nodes.
@OverNodes
class NodesHandlesAndLeasesTest extends HandlesAndLeasesTest {}
