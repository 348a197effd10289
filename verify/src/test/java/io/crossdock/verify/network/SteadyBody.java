package io.crossdock.verify.network;

import io.crossdock.core.group.ProcessGroup;
import io.crossdock.verify.harness.RankBody;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.TimeUnit;

/// Makes a number of calls, each compared byte by byte, whatever the network does.
public final class SteadyBody implements RankBody {
  /// Printed when the first calls were right.
  static final String RUNNING = "calls are running";

  private static final int WARM = 3;
  private static final Duration TIMEOUT = Duration.ofSeconds(40);

  private final NodeRank.Kind kind;
  private final int numCalls;
  private final int lateRank;
  private final long lateMillis;

  /// @param arguments kind, number of calls, a rank that opens its buffer late or -1, how late in
  ///   milliseconds
  public SteadyBody(List<String> arguments) {
    kind = NodeRank.Kind.valueOf(arguments.get(0));
    numCalls = Integer.parseInt(arguments.get(1));
    lateRank = Integer.parseInt(arguments.get(2));
    lateMillis = Long.parseLong(arguments.get(3));
  }

  @Override
  public void run(ProcessGroup group) throws InterruptedException {
    if (group.rank() == lateRank) {
      TimeUnit.MILLISECONDS.sleep(lateMillis);
    }
    long start = System.nanoTime();
    long longest = 0;
    try (NodeRank rank = NodeRank.open(group, kind, TIMEOUT)) {
      for (int call = 0; call < numCalls; call++) {
        long before = System.nanoTime();
        rank.run(call % 16);
        longest = Math.max(longest, System.nanoTime() - before);
        if (call == WARM) {
          System.out.println(RUNNING);
        }
      }
    }
    long nanos = System.nanoTime() - start;
    System.out.println(
        "steady: kind=%s, calls=%d, ms=%d, longestMs=%d"
            .formatted(kind, numCalls, nanos / 1_000_000, longest / 1_000_000));
  }
}
