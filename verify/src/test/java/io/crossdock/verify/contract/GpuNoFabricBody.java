package io.crossdock.verify.contract;

import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.crossdock.core.EpBuffer;
import io.crossdock.core.WindowAllocationException;
import io.crossdock.core.group.ProcessGroup;
import io.crossdock.verify.harness.EngineUnderTest;
import io.crossdock.verify.harness.RankBody;
import java.util.List;

/// A rank of its own process that asks for fabric handles where there are none.
public final class GpuNoFabricBody implements RankBody {
  private final String reason;

  /// @param arguments why there are none
  public GpuNoFabricBody(List<String> arguments) {
    reason = arguments.getFirst();
  }

  @Override
  public void run(ProcessGroup group) {
    ContractCase any = ContractCase.random(1, group.size());
    assertThatThrownBy(() -> EpBuffer.open(EngineUnderTest.open(), any.spec(), group).close())
        .isInstanceOf(WindowAllocationException.class)
        .hasMessageStartingWith(
            "windows cannot have fabric handles: crossdock.cuda.windows=fabric, rank=0, gpu=")
        .hasMessageContaining("reason=" + reason);
  }
}
