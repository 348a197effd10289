package io.crossdock.verify.faults;

import io.crossdock.verify.harness.OverNodes;

/// [OpenErrorsTest] with ranks on several nodes and UCX between them.
@OverNodes(transport = "ucx")
class OpenErrorsUcxTest extends OpenErrorsTest {}
