package io.crossdock.verify.network;

import io.crossdock.core.MaskedException;
import io.crossdock.core.group.ProcessGroup;
import io.crossdock.verify.harness.Bounded;
import io.crossdock.verify.harness.RankBody;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;

/// Makes low-latency calls while one rank stands still for longer than the others wait. They mask
/// it and go on; when it goes on itself it is told, and comes back. All calls are exact.
public final class StandstillBody implements RankBody {
  private static final Duration TIMEOUT = Duration.ofSeconds(3);
  private static final Duration BOUND = Duration.ofSeconds(60);
  private static final int MAX_CALLS = 100_000;
  private static final int WARM = 8;
  private static final int AFTERWARDS = 12;

  private final Path folder;
  private final int sleeper;
  private final int rounds;

  /// @param arguments folder of the test's files, the rank that stands still, how often
  public StandstillBody(List<String> arguments) {
    folder = Path.of(arguments.get(0));
    sleeper = Integer.parseInt(arguments.get(1));
    rounds = Integer.parseInt(arguments.get(2));
  }

  /// {@return what a rank prints when the one may stand still}
  static String running(int round) {
    return "round=" + round + ", calls are running";
  }

  /// {@return what a rank prints when it masks that one, or is that one and was told}
  static String masked(int round) {
    return "round=" + round + ", one is masked";
  }

  /// {@return the file that the test makes when all know}
  static String known(int round) {
    return "known-" + round;
  }

  @Override
  public void run(ProcessGroup group) {
    try (NodeRank rank = NodeRank.open(group, NodeRank.Kind.ELASTIC, TIMEOUT)) {
      for (int round = 0; round < rounds; round++) {
        for (long call = 0; call < WARM; call++) {
          rank.run(call);
        }
        System.out.println(running(round));
        callUntilMasked(rank, group.rank() == sleeper);
        System.out.println(masked(round));
        Path file = folder.resolve(known(round));
        Bounded.await("file appears: " + file, BOUND, () -> Files.exists(file));
        rank.cleanMasks();
        for (long call = 0; call < AFTERWARDS; call++) {
          rank.run(call);
        }
      }
    }
  }

  /// A rank that was given rows before the one stood still finds that a call later, alone.
  private void callUntilMasked(NodeRank rank, boolean sleeps) {
    try {
      for (long call = 0; call < MAX_CALLS; call++) {
        rank.run(call % 16);
        if (!sleeps && rank.masks(List.of(sleeper))) {
          return;
        }
      }
    } catch (MaskedException e) {
      System.out.println("told by=" + e);
      return;
    }
    throw new AssertionError("nobody was masked: sleeper=" + sleeper + ", calls=" + MAX_CALLS);
  }
}
