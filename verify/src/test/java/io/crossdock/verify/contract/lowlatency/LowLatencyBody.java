package io.crossdock.verify.contract.lowlatency;

import io.crossdock.core.Engines;
import io.crossdock.core.group.ProcessGroup;
import io.crossdock.verify.harness.RankBody;
import java.util.List;

/// Random cases of low-latency mode, one after the other, on a rank of its own process.
///
/// Confined to the thread of the rank.
public final class LowLatencyBody implements RankBody {
  private final String engine;
  private final long firstSeed;
  private final int numCases;

  /// @param arguments engine, first seed, number of cases
  public LowLatencyBody(List<String> arguments) {
    engine = arguments.get(0);
    firstSeed = Long.parseLong(arguments.get(1));
    numCases = Integer.parseInt(arguments.get(2));
  }

  @Override
  public void run(ProcessGroup group) {
    for (int i = 0; i < numCases; i++) {
      LowLatencyCase test = LowLatencyCase.random(firstSeed + i, group.size());
      LowLatencyRun.run(Engines.open(engine), LowLatencyExpected.of(test), 2, group);
    }
  }
}
