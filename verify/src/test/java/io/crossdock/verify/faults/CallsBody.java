package io.crossdock.verify.faults;

import io.crossdock.core.group.ProcessGroup;
import io.crossdock.verify.harness.RankBody;
import java.util.List;

/// Makes calls, each checked byte by byte, on one buffer after the other.
public final class CallsBody implements RankBody {
  /// Printed when the first calls were right.
  static final String RUNNING = "calls are running";

  private static final int WARM = 16;

  private final int numBuffers;
  private final int callsPerBuffer;

  /// @param arguments number of buffers, calls of each
  public CallsBody(List<String> arguments) {
    numBuffers = Integer.parseInt(arguments.get(0));
    callsPerBuffer = Integer.parseInt(arguments.get(1));
  }

  @Override
  public void run(ProcessGroup group) {
    for (int i = 0; i < numBuffers; i++) {
      try (FaultRank rank = FaultRank.open(group)) {
        rank.takeLease();
        call(rank);
        rank.checkLease();
      }
    }
  }

  private void call(FaultRank rank) {
    for (long seed = 0; seed < callsPerBuffer; seed++) {
      rank.calls().run(seed % 16);
      if (seed == WARM) {
        System.out.println(RUNNING);
      }
    }
  }
}
