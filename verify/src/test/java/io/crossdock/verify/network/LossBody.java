package io.crossdock.verify.network;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;

import io.crossdock.core.AbortedException;
import io.crossdock.core.BufferClosedException;
import io.crossdock.core.PeerLeftException;
import io.crossdock.core.WaitTimeoutException;
import io.crossdock.core.group.GroupException;
import io.crossdock.core.group.ProcessGroup;
import io.crossdock.verify.harness.RankBody;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/// Makes calls until peers are lost, by death or because the link is cut. Every rank that lives
/// gets an exception in time that names who is lost, and is in order: it makes exact calls with who
/// is left, on its node and, where the link still carries, between nodes.
public final class LossBody implements RankBody {
  /// Printed when the first calls were right.
  static final String RUNNING = "calls are running";

  /// What a loaded machine may add to a wait.
  private static final Duration LATE = Duration.ofSeconds(8);

  /// A death is seen long before the time is up.
  private static final Duration AT_ONCE = Duration.ofSeconds(10);

  private static final Duration CLOSE = Duration.ofSeconds(15);
  private static final int WARM = 12;
  private static final int MAX_CALLS = 100_000;
  private static final int AFTERWARDS = 10;
  private static final Pattern NEAR_WAIT =
      Pattern.compile("peer did not arrive: .*\\bphase=(ENTER|FINISH|PULL)\\b");

  private final NodeRank.Kind kind;
  private final Duration timeout;
  private final Doom doom;
  private final boolean linkCarries;

  /// @param arguments kind, time-out in milliseconds, seed, moment, victims with commas or `none`,
  ///   whether the link carries afterwards
  public LossBody(List<String> arguments) {
    kind = NodeRank.Kind.valueOf(arguments.get(0));
    timeout = Duration.ofMillis(Long.parseLong(arguments.get(1)));
    long seed = Long.parseLong(arguments.get(2));
    NodeRank.Moment moment = NodeRank.Moment.valueOf(arguments.get(3));
    doom = new Doom(ranks(arguments.get(4)), WARM + Math.floorMod(seed, 10), moment, seed);
    linkCarries = Boolean.parseBoolean(arguments.get(5));
  }

  static List<Integer> ranks(String list) {
    return list.equals("none")
        ? List.of()
        : Arrays.stream(list.split(",", -1)).map(Integer::valueOf).toList();
  }

  @Override
  public void run(ProcessGroup group) throws Exception {
    NodeRank rank = NodeRank.open(group, kind, timeout);
    try {
      loseThem(rank);
      if (!doom.victims().isEmpty()) {
        refuseReset(rank);
      }
    } finally {
      long start = System.nanoTime();
      rank.close();
      group.close();
      System.out.println("closed in ms=" + since(start).toMillis());
      assertThat(since(start)).as("time of close").isLessThan(CLOSE);
    }
    List<Integer> lost = doom.victims();
    goOn(new Regroup(lost).onThisNode());
    Optional<ProcessGroup> across =
        linkCarries ? new Regroup(lost).acrossNodes() : Optional.empty();
    if (across.isPresent()) {
      goOn(across.orElseThrow());
    }
  }

  private void loseThem(NodeRank rank) throws InterruptedException {
    int self = rank.buffer().group().rank();
    long callStart = System.nanoTime();
    long typical = 0;
    try {
      for (long call = 0; call < MAX_CALLS; call++) {
        if (call == WARM) {
          System.out.println(RUNNING);
        }
        long halfCall = typical / 2;
        long number = call;
        callStart = System.nanoTime();
        rank.run(call % 16, next -> doom.strike(self, number, next, halfCall));
        typical = System.nanoTime() - callStart;
      }
    } catch (PeerLeftException
        | AbortedException
        | WaitTimeoutException
        | BufferClosedException e) {
      doom.awaitDeath(self);
      Duration took = since(callStart);
      System.out.println("told in ms=" + took.toMillis() + ", by=" + e);
      Duration bound = doom.victims().isEmpty() ? timeout.plus(LATE) : AT_ONCE;
      assertThat(took).as("time of the failing call").isLessThan(bound);
      checkNamed(e, rank.buffer().group().localSize());
      return;
    }
    throw new AssertionError("nobody was lost: rank=" + self + ", calls=" + MAX_CALLS);
  }

  /// The rank that gave up named one that is lost: a victim or, where the link is cut, a rank of
  /// the other node.
  private void checkNamed(Exception told, int localSize) {
    int named = fact(told, "peer");
    int namer = fact(told, "rank");
    if (!doom.victims().isEmpty()) {
      assertThat(doom.victims()).as("names who is lost: thrown=%s", told).contains(named);
    } else if (kind == NodeRank.Kind.NORMAL && isOfNearWait(told)) {
      assertThat(named).as("names another rank: thrown=%s", told).isNotEqualTo(namer);
    } else {
      assertThat(named / localSize)
          .as("names a rank of the other node: thrown=%s", told)
          .isNotEqualTo(namer / localSize);
    }
  }

  /// {@return true if time was up for a wait in which ranks of a node wait for each other as well:
  /// the one that is named may itself have waited for the other node. In low-latency mode whoever
  /// waits is spared}
  private static boolean isOfNearWait(Exception told) {
    return NEAR_WAIT.matcher(told.getMessage()).find();
  }

  /// The first one is that of the rank that gave up.
  private static int fact(Exception told, String name) {
    Matcher matcher = Pattern.compile("\\b" + name + "=(\\d+)").matcher(told.getMessage());
    assertThat(matcher.find()).as("tells of a %s: thrown=%s", name, told).isTrue();
    return Integer.parseInt(matcher.group(1));
  }

  /// A group cannot do without its dead.
  private static void refuseReset(NodeRank rank) {
    long start = System.nanoTime();
    Throwable thrown = catchThrowable(() -> rank.buffer().reset());
    assertThat(thrown).isInstanceOf(GroupException.class);
    assertThat(since(start)).as("time of a refused reset").isLessThan(AT_ONCE);
  }

  private static Duration since(long start) {
    return Duration.ofNanos(System.nanoTime() - start);
  }

  private void goOn(ProcessGroup left) {
    try (left;
        NodeRank rank = NodeRank.open(left, kind, timeout)) {
      for (long call = 0; call < AFTERWARDS; call++) {
        rank.run(call);
      }
    }
    System.out.println("went on: ranks=" + left.size() + ", group=" + left.name());
  }
}
