package io.crossdock.verify.network;

import io.crossdock.core.group.ProcessGroup;
import io.crossdock.verify.harness.RankBody;
import io.crossdock.verify.harness.Together;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;

/// Makes calls, each compared byte by byte, whatever the network does: so many, or until the test
/// has made a file.
public final class SteadyBody implements RankBody {
  /// Printed when the first calls were right.
  static final String RUNNING = "calls are running";

  private static final int WARM = 3;

  /// Ranks agree on the end after so many calls.
  private static final int CALLS_BETWEEN_LOOKS = 8;

  private static final int CALLS_AFTERWARDS = 40;

  private static final Duration TIMEOUT = Duration.ofSeconds(40);

  private final NodeRank.Kind kind;
  private final int numCalls;

  /// Empty if the number of calls is known.
  private final Optional<Path> end;

  private final int lateRank;
  private final long lateMillis;

  /// @param arguments kind, number of calls or the file that ends them, a rank that opens its
  ///   buffer late or -1, how late in milliseconds
  public SteadyBody(List<String> arguments) {
    kind = NodeRank.Kind.valueOf(arguments.get(0));
    boolean isFile = arguments.get(1).startsWith("/");
    end = isFile ? Optional.of(Path.of(arguments.get(1))) : Optional.empty();
    numCalls = isFile ? Integer.MAX_VALUE : Integer.parseInt(arguments.get(1));
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
    int call = 0;
    try (NodeRank rank = NodeRank.open(group, kind, TIMEOUT)) {
      int last = numCalls;
      for (; call < last; call++) {
        if (last == Integer.MAX_VALUE && isOver(group, call)) {
          last = call + CALLS_AFTERWARDS;
        }
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
            .formatted(kind, call, nanos / 1_000_000, longest / 1_000_000));
  }

  /// One rank may see the file before another one does.
  private boolean isOver(ProcessGroup group, int call) {
    return end.isPresent()
        && call % CALLS_BETWEEN_LOOKS == 0
        && Together.any(group, Files.exists(end.orElseThrow()));
  }
}
