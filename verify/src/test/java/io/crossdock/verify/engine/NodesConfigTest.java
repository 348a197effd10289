package io.crossdock.verify.engine;

import io.crossdock.verify.harness.OverNodes;

/// [ConfigTest] with ranks on several nodes.
@OverNodes
class NodesConfigTest extends ConfigTest {}
