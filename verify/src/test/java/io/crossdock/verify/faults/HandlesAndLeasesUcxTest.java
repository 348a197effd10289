package io.crossdock.verify.faults;

import io.crossdock.verify.harness.OverNodes;

/// [HandlesAndLeasesTest] with ranks on several nodes and UCX between them.
@OverNodes(transport = "ucx")
class HandlesAndLeasesUcxTest extends HandlesAndLeasesTest {}
