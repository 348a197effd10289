package io.crossdock.core.group;

import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;

/// The hub itself. Holds at most one incomplete collective; the first failure ends it for good.
///
/// Safe for any thread.
final class LocalHub implements Hub {
  private final int size;
  private final Listener listener;
  private final boolean[] left;
  private GroupFailure failure;
  private Round round;

  /// Hears what members elsewhere must hear too, in the order in which it happens and before any
  /// local member goes on. Called with the hub's lock held: must not wait.
  interface Listener {
    /// For a hub whose members are all local.
    Listener NONE = new Listener() {};

    /// A collective is complete.
    default void onResult(byte[][] contributions) {}

    /// The group failed.
    default void onFailure(GroupFailure why) {}

    /// {@return `key=value` facts for the failure that names missing ranks, each followed by a
    /// comma and a space; may be empty}
    default String facts() {
      return "";
    }
  }

  /// One collective: what arrived so far.
  private static final class Round {
    private final GroupPhase phase;
    private final int starter;
    private final long startNanos = System.nanoTime();
    private final byte[][] contributions;
    private final CompletableFuture<byte[][]> done = new CompletableFuture<>();
    private int numArrived;
    private Deadline verdict;
    private CompletableFuture<Boolean> late = CompletableFuture.completedFuture(false);

    Round(GroupPhase phase, int starter, int size) {
      this.phase = phase;
      this.starter = starter;
      this.contributions = new byte[size][];
    }
  }

  /// Creates an empty hub.
  LocalHub(int size, Listener listener) {
    this.size = size;
    this.listener = listener;
    this.left = new boolean[size];
  }

  @Override
  public synchronized CompletableFuture<byte[][]> deposit(
      int rank, GroupPhase phase, byte[] contribution, Deadline bound) {
    if (failure != null) {
      return CompletableFuture.completedFuture(null);
    }
    if (round == null) {
      round = new Round(phase, rank, size);
    }
    Round joined = round;
    GroupFailure objection = objection(joined, rank, phase);
    if (objection != null) {
      fail(objection);
    } else {
      arrive(joined, rank, contribution);
      expectBy(joined, bound.verdict());
    }
    return joined.done;
  }

  private GroupFailure objection(Round joined, int rank, GroupPhase phase) {
    if (joined.phase != phase || joined.contributions[rank] != null) {
      String text =
          "ranks are in different collectives: peer=%d, peerPhase=%s, other=%d, otherPhase=%s"
              .formatted(joined.starter, joined.phase, rank, phase);
      return GroupFailure.of(GroupFailure.Kind.MISMATCH, rank, text);
    }
    for (int peer = 0; peer < size; peer++) {
      if (left[peer] && joined.contributions[peer] == null) {
        return GroupFailure.lost(peer, phase, "left the group");
      }
    }
    return null;
  }

  private void arrive(Round joined, int rank, byte[] contribution) {
    joined.contributions[rank] = contribution;
    joined.numArrived++;
    if (joined.numArrived == size) {
      round = null;
      joined.late.complete(false);
      listener.onResult(joined.contributions);
      joined.done.complete(joined.contributions);
    }
  }

  /// The earliest bound of those who wait decides when the verdict comes.
  private void expectBy(Round joined, Deadline verdict) {
    boolean known = joined.verdict != null && !verdict.isBefore(joined.verdict);
    if (joined != round || known) {
      return;
    }
    joined.late.complete(false);
    joined.verdict = verdict;
    joined.late =
        new CompletableFuture<Boolean>()
            .completeOnTimeout(true, verdict.remainingNanos(), TimeUnit.NANOSECONDS);
    var _ =
        joined.late.thenAccept(isLate -> {
          if (isLate) {
            expire(joined);
          }
        });
  }

  private synchronized void expire(Round joined) {
    if (joined != round) {
      return;
    }
    var missing =
        IntStream.range(0, size)
            .filter(rank -> joined.contributions[rank] == null)
            .boxed()
            .toList();
    long waitedMillis = TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - joined.startNanos);
    fail(
        GroupFailure.missing(
            missing,
            "%ssize=%d, phase=%s, waitedMs=%d"
                .formatted(listener.facts(), size, joined.phase, waitedMillis)));
  }

  @Override
  public synchronized void overdue(int rank) {
    boolean waits = round != null && round.contributions[rank] != null;
    if (waits) {
      expire(round);
    }
  }

  @Override
  public synchronized void leave(int rank) {
    left[rank] = true;
    if (round != null && round.contributions[rank] == null) {
      lose(rank, "left the group");
    }
  }

  /// A rank is gone, whether or not a collective waits for it.
  synchronized void lose(int rank, String cause) {
    fail(GroupFailure.lost(rank, round == null ? GroupPhase.IDLE : round.phase, cause));
  }

  @Override
  public synchronized void fail(GroupFailure why) {
    if (failure != null) {
      return;
    }
    failure = why;
    listener.onFailure(why);
    if (round != null) {
      round.late.complete(false);
      round.done.complete(null);
      round = null;
    }
  }

  @Override
  public synchronized GroupFailure failure() {
    return failure;
  }
}
