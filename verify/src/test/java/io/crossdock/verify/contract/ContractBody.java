package io.crossdock.verify.contract;

import io.crossdock.core.group.ProcessGroup;
import io.crossdock.verify.harness.RankBody;
import java.util.List;

/// Random cases of the contract suite, one after the other, on a rank of its own process.
public final class ContractBody implements RankBody {
  private final String engine;
  private final long firstSeed;
  private final int numCases;

  /// @param arguments engine, first seed, number of cases
  public ContractBody(List<String> arguments) {
    engine = arguments.get(0);
    firstSeed = Long.parseLong(arguments.get(1));
    numCases = Integer.parseInt(arguments.get(2));
  }

  @Override
  public void run(ProcessGroup group) {
    for (int i = 0; i < numCases; i++) {
      ContractRun.run(engine, ContractCase.random(firstSeed + i, group.size()), 2, group);
    }
  }
}
