package io.crossdock.verify.watch;

import io.crossdock.core.BufferSpec;
import io.crossdock.core.Engines;
import io.crossdock.core.EpBuffer;
import io.crossdock.core.group.ProcessGroup;
import io.crossdock.verify.harness.ExactCalls;
import io.crossdock.verify.harness.RankBody;
import java.util.List;
import java.util.concurrent.locks.LockSupport;

/// Makes calls until it is killed; one rank comes late to each dispatch.
public final class SlowRankBody implements RankBody {
  /// Printed when calls are made.
  static final String RUNNING = "calls are running";

  private static final int WARM = 3;
  private static final long LATE_NANOS = 20_000_000;

  private final int slow;

  /// @param arguments the slow rank
  public SlowRankBody(List<String> arguments) {
    slow = Integer.parseInt(arguments.get(0));
  }

  @Override
  public void run(ProcessGroup group) {
    BufferSpec spec =
        BufferSpec.builder().numMaxTokensPerRank(8).hidden(256).topk(3).numExperts(12).build();
    try (EpBuffer buffer = EpBuffer.open(Engines.open("host"), spec, group)) {
      ExactCalls calls = new ExactCalls(buffer);
      for (long seed = 0; seed < Long.MAX_VALUE; seed++) {
        if (group.rank() == slow) {
          LockSupport.parkNanos(LATE_NANOS);
        }
        calls.dispatch(seed % 16).close();
        if (seed == WARM) {
          System.out.println(RUNNING);
        }
      }
    }
  }
}
