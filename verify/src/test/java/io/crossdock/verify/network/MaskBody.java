package io.crossdock.verify.network;

import static org.assertj.core.api.Assertions.assertThat;

import io.crossdock.core.group.ProcessGroup;
import io.crossdock.verify.harness.RankBody;
import java.time.Duration;
import java.util.List;

/// Makes low-latency calls that mask who is lost, by death or because the link is cut. Every rank
/// that lives goes on with exact results for those it still reaches.
public final class MaskBody implements RankBody {
  /// Printed when the first calls were right.
  static final String RUNNING = "calls are running";

  /// Printed when all that were lost are masked and calls are right again.
  static final String MASKED = "goes on without them";

  private static final int WARM = 12;
  private static final int AFTERWARDS = 30;

  /// How many calls later than another rank one may find that somebody is lost. So many calls
  /// before its end the other one may be done, and leave.
  private static final int SPREAD = 2;

  private static final int MAX_CALLS = 100_000;

  /// What a loaded machine may add to a wait.
  private static final Duration LATE = Duration.ofSeconds(8);

  private final Duration timeout;
  private final Doom doom;

  /// @param arguments time-out in milliseconds, seed, moment, victims with commas or `none`: then
  ///   the link is cut, and each node loses the other one
  public MaskBody(List<String> arguments) {
    timeout = Duration.ofMillis(Long.parseLong(arguments.get(0)));
    long seed = Long.parseLong(arguments.get(1));
    NodeRank.Moment moment = NodeRank.Moment.valueOf(arguments.get(2));
    List<Integer> victims = LossBody.ranks(arguments.get(3));
    doom = new Doom(victims, WARM + Math.floorMod(seed, 10), moment, seed);
  }

  @Override
  public void run(ProcessGroup group) throws InterruptedException {
    List<Integer> lost = doom.victims().isEmpty() ? Regroup.far() : doom.victims();
    try (NodeRank rank = NodeRank.open(group, NodeRank.Kind.ELASTIC, timeout)) {
      long next = callUntilMasked(rank, lost);
      long start = System.nanoTime();
      for (int call = 0; call < AFTERWARDS; call++) {
        rank.run(next + call);
        if (call < AFTERWARDS - SPREAD) {
          checkMasks(rank, lost);
        }
      }
      Duration took = Duration.ofNanos(System.nanoTime() - start);
      assertThat(took).as("time of calls without those lost").isLessThan(LATE);
      System.out.println(MASKED);
    }
  }

  private long callUntilMasked(NodeRank rank, List<Integer> lost) throws InterruptedException {
    int self = rank.buffer().group().rank();
    long typical = 0;
    for (long call = 0; call < MAX_CALLS; call++) {
      if (call == WARM) {
        System.out.println(RUNNING);
      }
      long number = call;
      long half = typical / 2;
      long start = System.nanoTime();
      rank.run(call, next -> doom.strike(self, number, next, half));
      typical = System.nanoTime() - start;
      Duration bound = timeout.multipliedBy(2L * rank.buffer().group().size()).plus(LATE);
      assertThat(Duration.ofNanos(typical)).as("time of a call").isLessThan(bound);
      if (rank.masks(lost)) {
        System.out.println("masked in call=" + call + ", ms=" + typical / 1_000_000);
        return call + 1;
      }
    }
    throw new AssertionError("nobody was masked: rank=" + self + ", calls=" + MAX_CALLS);
  }

  private static void checkMasks(NodeRank rank, List<Integer> lost) {
    boolean[] masks = rank.buffer().queryMask();
    for (int peer = 0; peer < masks.length; peer++) {
      assertThat(masks[peer]).as("mask of peer=%d", peer).isEqualTo(lost.contains(peer));
    }
  }
}
