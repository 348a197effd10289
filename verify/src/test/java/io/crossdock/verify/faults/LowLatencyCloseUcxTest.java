package io.crossdock.verify.faults;

import io.crossdock.verify.harness.OverNodes;

/// [LowLatencyCloseTest] with ranks on several nodes and UCX between them.
@OverNodes(transport = "ucx")
class LowLatencyCloseUcxTest extends LowLatencyCloseTest {}
