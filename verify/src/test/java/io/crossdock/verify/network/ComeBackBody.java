package io.crossdock.verify.network;

import io.crossdock.core.AbortedException;
import io.crossdock.core.BufferClosedException;
import io.crossdock.core.WaitTimeoutException;
import io.crossdock.core.group.ProcessGroup;
import io.crossdock.verify.harness.Bounded;
import io.crossdock.verify.harness.RankBody;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;

/// Makes calls until the link was down for too long, and again when it is up: after a reset or, in
/// a buffer that shrinks, after all masks were cleaned. All calls are exact, with whom they are
/// made.
public final class ComeBackBody implements RankBody {
  private static final Duration TIMEOUT = Duration.ofSeconds(2);
  private static final Duration BOUND = Duration.ofSeconds(60);
  private static final int MAX_CALLS = 100_000;
  private static final int WARM = 8;
  private static final int AFTERWARDS = 12;

  private final Path folder;
  private final NodeRank.Kind kind;
  private final int rounds;

  /// @param arguments folder of the test's files, kind, how often the link goes down
  public ComeBackBody(List<String> arguments) {
    folder = Path.of(arguments.get(0));
    kind = NodeRank.Kind.valueOf(arguments.get(1));
    rounds = Integer.parseInt(arguments.get(2));
  }

  /// {@return what a rank prints when the link may go down}
  static String running(int round) {
    return "round=" + round + ", calls are running";
  }

  /// {@return what a rank prints when it lost the other node}
  static String lost(int round) {
    return "round=" + round + ", lost the other node";
  }

  /// {@return the file that the test makes when the link is up again}
  static String healed(int round) {
    return "healed-" + round;
  }

  @Override
  public void run(ProcessGroup group) {
    try (NodeRank rank = NodeRank.open(group, kind, TIMEOUT)) {
      for (int round = 0; round < rounds; round++) {
        for (long call = 0; call < WARM; call++) {
          rank.run(call);
        }
        System.out.println(running(round));
        callUntilLost(rank);
        System.out.println(lost(round));
        String file = healed(round);
        Bounded.await("file appears: " + file, BOUND, () -> Files.exists(folder.resolve(file)));
        comeBack(rank);
        for (long call = 0; call < AFTERWARDS; call++) {
          rank.run(call);
        }
      }
    }
  }

  private void callUntilLost(NodeRank rank) {
    try {
      for (long call = 0; call < MAX_CALLS; call++) {
        rank.run(call % 16);
        if (kind == NodeRank.Kind.ELASTIC && rank.masks(Regroup.far())) {
          return;
        }
      }
    } catch (AbortedException | WaitTimeoutException | BufferClosedException e) {
      System.out.println("told by=" + e);
      if (kind == NodeRank.Kind.ELASTIC) {
        throw e;
      }
      return;
    }
    throw new AssertionError("nobody was lost: calls=" + MAX_CALLS);
  }

  private void comeBack(NodeRank rank) {
    if (kind != NodeRank.Kind.ELASTIC) {
      rank.buffer().reset();
      return;
    }
    rank.cleanMasks();
  }
}
