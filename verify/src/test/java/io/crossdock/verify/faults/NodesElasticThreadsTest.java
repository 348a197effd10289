package io.crossdock.verify.faults;

import io.crossdock.verify.harness.OverNodes;

/// [ElasticThreadsTest] with ranks on several nodes.
@OverNodes
class NodesElasticThreadsTest extends ElasticThreadsTest {}
