package io.crossdock.verify.faults;

import io.crossdock.verify.harness.OverNodes;

/// [CallMismatchTest] with ranks on several nodes and UCX between them.
@OverNodes(transport = "ucx")
class CallMismatchUcxTest extends CallMismatchTest {}
