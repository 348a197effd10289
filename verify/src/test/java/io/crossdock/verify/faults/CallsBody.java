package io.crossdock.verify.faults;

import io.crossdock.core.group.ProcessGroup;
import io.crossdock.verify.harness.RankBody;
import io.crossdock.verify.harness.Together;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/// Makes calls, each checked byte by byte, on one buffer after the other until a file tells that it
/// is enough.
public final class CallsBody implements RankBody {
  /// Printed when the first calls were right.
  static final String RUNNING = "calls are running";

  /// The file, in the folder of the ranks.
  static final String ENOUGH = "enough";

  private static final int WARM = 16;

  private final int callsPerBuffer;

  /// @param arguments calls on each buffer
  public CallsBody(List<String> arguments) {
    callsPerBuffer = Integer.parseInt(arguments.getFirst());
  }

  @Override
  public void run(ProcessGroup group) {
    boolean enough = false;
    while (!enough) {
      try (FaultRank rank = FaultRank.open(group)) {
        rank.takeLease();
        call(rank);
        rank.checkLease();
      }
      enough = Together.any(group, Files.exists(Path.of(ENOUGH)));
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
