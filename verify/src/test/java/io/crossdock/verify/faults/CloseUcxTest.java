package io.crossdock.verify.faults;

import io.crossdock.verify.harness.OverNodes;

/// [CloseTest] with ranks on several nodes and UCX between them.
@OverNodes(transport = "ucx")
class CloseUcxTest extends CloseTest {}
