package io.crossdock.verify.engine;

import static org.assertj.core.api.Assertions.assertThat;

import io.crossdock.core.BufferSpec;
import io.crossdock.verify.harness.OverNodes;
import io.crossdock.verify.network.Weather;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/// [AllocationTest] with ranks on several nodes, and no delays, of which it would tell nothing.
@OverNodes
class NodesAllocationTest extends AllocationTest {
  @BeforeEach
  void calm() {
    Weather.forecast(Weather.forecast().calm());
  }

  /// Two ranks on each of two nodes: rows are forwarded, and outputs of two ranks are summed.
  @Test
  void forwardingAndSummingForOthersAllocatesNothing() throws Exception {
    BufferSpec spec = Batch.spec(4, 24, 256);
    assertThat(cost(spec, Aim.NOTHING, (buffer, batch, _) -> into(buffer, batch, batch.input)))
        .isEqualTo(NOTHING);
  }
}
