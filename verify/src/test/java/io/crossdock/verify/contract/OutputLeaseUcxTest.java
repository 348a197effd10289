package io.crossdock.verify.contract;

import io.crossdock.verify.harness.OverNodes;

/// [OutputLeaseTest] with ranks on several nodes and UCX between them.
@OverNodes(transport = "ucx")
class OutputLeaseUcxTest extends OutputLeaseTest {}
