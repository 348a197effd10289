package io.crossdock.verify.contract.lowlatency;

import io.crossdock.verify.harness.OverNodes;

/// [LowLatencySoakTest] with ranks on several nodes and UCX between them.
@OverNodes(transport = "ucx")
class LowLatencySoakUcxTest extends LowLatencySoakTest {}
