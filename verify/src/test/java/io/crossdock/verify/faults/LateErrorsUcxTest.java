package io.crossdock.verify.faults;

import io.crossdock.verify.harness.OverNodes;

/// [LateErrorsTest] with ranks on several nodes and UCX between them.
@OverNodes(transport = "ucx")
class LateErrorsUcxTest extends LateErrorsTest {}
