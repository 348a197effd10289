package io.crossdock.verify.faults;

import io.crossdock.verify.harness.OverNodes;

/// [CombineErrorsTest] with ranks on several nodes.
@OverNodes
class NodesCombineErrorsTest extends CombineErrorsTest {}
