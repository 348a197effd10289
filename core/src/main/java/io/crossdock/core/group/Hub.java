package io.crossdock.core.group;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Consumer;

/// Where the contributions of all ranks meet. Holds at most one incomplete collective; the first
/// failure ends it for good.
///
/// Safe for any thread.
final class Hub {
  private final int size;
  private final Duration verdictAfter;
  private final List<Consumer<GroupFailure>> listeners = new ArrayList<>();
  private final boolean[] left;
  private GroupFailure failure;
  private Round round;

  /// One collective: what arrived so far.
  private static final class Round {
    private final GroupPhase phase;
    private final int starter;
    private final byte[][] contributions;
    private final CompletableFuture<byte[][]> done = new CompletableFuture<>();
    private int numArrived;

    Round(GroupPhase phase, int starter, int size) {
      this.phase = phase;
      this.starter = starter;
      this.contributions = new byte[size][];
    }
  }

  /// A failure on its way through a future.
  static final class FailedRound extends RuntimeException {
    private static final long serialVersionUID = 1L;
    private final transient GroupFailure failure;

    FailedRound(GroupFailure failure) {
      super(failure.text());
      this.failure = failure;
    }

    GroupFailure failure() {
      return failure;
    }
  }

  /// Creates an empty hub.
  ///
  /// @param size ranks
  /// @param timeout of the members; the verdict on a collective comes a little earlier
  Hub(int size, Duration timeout) {
    this.size = size;
    this.verdictAfter = Duration.ofNanos(Math.max(1, Deadline.ofVerdict(timeout).remainingNanos()));
    this.left = new boolean[size];
  }

  /// Hears of the failure that ends the group, at once if it has already.
  void listen(Consumer<GroupFailure> listener) {
    GroupFailure known;
    synchronized (this) {
      listeners.add(listener);
      known = failure;
    }
    if (known != null) {
      listener.accept(known);
    }
  }

  /// Adds a rank's contribution to the collective under way, or starts one.
  ///
  /// @return complete with all contributions, or with a [FailedRound]
  CompletableFuture<byte[][]> deposit(int rank, GroupPhase phase, byte[] contribution) {
    Round joined;
    GroupFailure wrong = null;
    boolean complete;
    synchronized (this) {
      if (failure != null) {
        return CompletableFuture.failedFuture(new FailedRound(failure));
      }
      if (round == null) {
        round = start(phase, rank);
      }
      joined = round;
      wrong = objection(joined, rank, phase);
      complete = wrong == null && arrive(joined, rank, contribution);
    }
    if (wrong != null) {
      fail(wrong);
    } else if (complete) {
      joined.done.complete(joined.contributions);
    }
    return joined.done;
  }

  private Round start(GroupPhase phase, int rank) {
    Round started = new Round(phase, rank, size);
    started.done.orTimeout(verdictAfter.toNanos(), TimeUnit.NANOSECONDS);
    started.done.whenComplete((_, e) -> {
      if (e instanceof TimeoutException) {
        fail(missing(started));
      }
    });
    return started;
  }

  private GroupFailure objection(Round joined, int rank, GroupPhase phase) {
    if (joined.phase != phase || joined.contributions[rank] != null) {
      String text =
          "ranks are in different collectives: peer="
              + joined.starter
              + ", peerPhase="
              + joined.phase
              + ", other="
              + rank
              + ", otherPhase="
              + phase;
      return GroupFailure.of(GroupFailure.Kind.MISMATCH, rank, text);
    }
    for (int peer = 0; peer < size; peer++) {
      if (left[peer] && joined.contributions[peer] == null) {
        return GroupFailure.lost(peer, phase, "left the group");
      }
    }
    return null;
  }

  private boolean arrive(Round joined, int rank, byte[] contribution) {
    joined.contributions[rank] = contribution;
    joined.numArrived++;
    if (joined.numArrived < size) {
      return false;
    }
    round = null;
    return true;
  }

  private GroupFailure missing(Round late) {
    List<Integer> ranks = new ArrayList<>();
    synchronized (this) {
      for (int rank = 0; rank < size; rank++) {
        if (late.contributions[rank] == null) {
          ranks.add(rank);
        }
      }
    }
    return GroupFailure.missing(
        ranks, "size=" + size + ", phase=" + late.phase + ", waitedMs=" + verdictAfter.toMillis());
  }

  /// A rank leaves in good order: it misses only in collectives it has not contributed to.
  void leave(int rank) {
    GroupFailure wrong = null;
    synchronized (this) {
      left[rank] = true;
      if (round != null && round.contributions[rank] == null) {
        wrong = GroupFailure.lost(rank, round.phase, "left the group");
      }
    }
    if (wrong != null) {
      fail(wrong);
    }
  }

  /// Ends the group. Only the first failure counts.
  void fail(GroupFailure why) {
    Round open;
    List<Consumer<GroupFailure>> told;
    synchronized (this) {
      if (failure != null) {
        return;
      }
      failure = why;
      open = round;
      told = List.copyOf(listeners);
    }
    if (open != null) {
      open.done.completeExceptionally(new FailedRound(why));
    }
    told.forEach(listener -> listener.accept(why));
  }

  /// {@return the failure that ended the group, or null}
  synchronized GroupFailure failure() {
    return failure;
  }
}
