package io.crossdock.verify.contract;

import static org.assertj.core.api.Assertions.assertThat;

import io.crossdock.core.EpBuffer;
import io.crossdock.core.group.ProcessGroup;
import io.crossdock.cuda.CudaUse;
import io.crossdock.verify.harness.EngineUnderTest;
import io.crossdock.verify.harness.RankBody;
import java.util.List;

/// Random cases of the contract suite on a rank of its own process whose windows are of a known
/// kind, and are all gone in the end.
public final class GpuWindowsBody implements RankBody {
  private final String transport;
  private final ContractBody cases;
  private final long seed;

  /// @param arguments transport, first seed, number of cases
  public GpuWindowsBody(List<String> arguments) {
    transport = arguments.get(0);
    seed = Long.parseLong(arguments.get(1));
    cases = new ContractBody(List.of(EngineUnderTest.name(), arguments.get(1), arguments.get(2)));
  }

  @Override
  public void run(ProcessGroup group) {
    ContractCase first = ContractCase.random(seed, group.size());
    try (EpBuffer buffer = EpBuffer.open(EngineUnderTest.open(), first.spec(), group)) {
      assertThat(buffer.transport()).isEqualTo(transport);
    }
    cases.run(group);
    assertThat(CudaUse.live())
        .doesNotContainKeys("device memory", "memory of a peer", "address range");
  }
}
