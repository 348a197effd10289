package io.crossdock.verify.watch;

import io.crossdock.core.BufferSpec;
import io.crossdock.core.DType;
import io.crossdock.core.Engines;
import io.crossdock.core.EpBuffer;
import io.crossdock.core.LowLatencyDispatchOptions;
import io.crossdock.core.Mode;
import io.crossdock.core.Tensor;
import io.crossdock.core.group.ProcessGroup;
import io.crossdock.verify.harness.RankBody;
import java.lang.foreign.Arena;
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
        BufferSpec.builder()
            .mode(Mode.LOW_LATENCY)
            .numMaxTokensPerRank(1)
            .hidden(256)
            .topk(1)
            .numExperts(group.size())
            .build();
    try (EpBuffer buffer = EpBuffer.open(Engines.open("host"), spec, group);
        Arena arena = Arena.ofShared()) {
      Tensor x = Tensor.allocate(arena, DType.BF16, 1, 256);
      Tensor topkIdx = Tensor.allocate(arena, DType.I64, 1, 1);
      for (long call = 0; call < Long.MAX_VALUE; call++) {
        if (group.rank() == slow) {
          LockSupport.parkNanos(LATE_NANOS);
        }
        // One wait for each peer in a call, so that each is a late one.
        buffer
            .lowLatencyDispatch(x, topkIdx, 1, group.size(), LowLatencyDispatchOptions.DEFAULT)
            .close();
        if (call == WARM) {
          System.out.println(RUNNING);
        }
      }
    }
  }
}
