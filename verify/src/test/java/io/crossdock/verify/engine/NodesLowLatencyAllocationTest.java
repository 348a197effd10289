package io.crossdock.verify.engine;

import io.crossdock.verify.harness.OverNodes;
import io.crossdock.verify.network.Weather;
import org.junit.jupiter.api.BeforeEach;

/// [LowLatencyAllocationTest] with ranks on several nodes, and no delays, of which it would tell
/// nothing.
@OverNodes
class NodesLowLatencyAllocationTest extends LowLatencyAllocationTest {
  @BeforeEach
  void calm() {
    Weather.forecast(Weather.forecast().calm());
  }
}
