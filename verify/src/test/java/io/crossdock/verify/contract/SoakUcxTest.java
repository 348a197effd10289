package io.crossdock.verify.contract;

import io.crossdock.verify.harness.OverNodes;

/// [SoakTest] with ranks on several nodes and UCX between them.
@OverNodes(transport = "ucx")
class SoakUcxTest extends SoakTest {}
