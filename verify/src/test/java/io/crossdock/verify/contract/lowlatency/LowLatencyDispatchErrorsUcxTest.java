package io.crossdock.verify.contract.lowlatency;

import io.crossdock.verify.harness.OverNodes;

/// [LowLatencyDispatchErrorsTest] with ranks on several nodes and UCX between them.
@OverNodes(transport = "ucx")
class LowLatencyDispatchErrorsUcxTest extends LowLatencyDispatchErrorsTest {}
