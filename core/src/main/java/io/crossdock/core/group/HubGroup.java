package io.crossdock.core.group;

import io.crossdock.core.ConcurrentUseException;
import io.crossdock.core.InvalidInputException;
import java.time.Duration;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicReference;

/// A member of a group: checks arguments, lets one caller in at a time, waits at the hub.
///
/// Any thread may call, one collective at a time.
final class HubGroup implements ProcessGroup {
  private static final byte[] NOTHING = {};

  private final Membership membership;
  private final Hub hub;
  private final Runnable release;
  private final AtomicReference<Thread> caller = new AtomicReference<>();

  /// Complete once the member is closed; wakes a caller that waits.
  private final CompletableFuture<byte[][]> closing = new CompletableFuture<>();

  /// The facts of one member.
  record Membership(
      int rank, int size, int localSize, boolean isOnOneMachine, String name, Duration timeout) {}

  /// Creates the member.
  ///
  /// @param release ends what connects the member with its hub, in bounded time
  HubGroup(Membership membership, Hub hub, Runnable release) {
    this.membership = membership;
    this.hub = hub;
    this.release = release;
  }

  /// Returns when every rank has found the hub.
  void meet(Deadline bound) {
    call(GroupPhase.RENDEZVOUS, NOTHING, bound);
  }

  @Override
  public byte[][] allGather(byte[] contribution) {
    Objects.requireNonNull(contribution, "contribution");
    if (contribution.length > MAX_CONTRIBUTION_BYTES) {
      throw new InvalidInputException(
          "contribution is too large: bytes=%d, maxBytes=%d, rank=%d"
              .formatted(contribution.length, MAX_CONTRIBUTION_BYTES, rank()));
    }
    return call(GroupPhase.ALL_GATHER, contribution.clone(), Deadline.in(timeout()));
  }

  @Override
  public void barrier() {
    call(GroupPhase.BARRIER, NOTHING, Deadline.in(timeout()));
  }

  private byte[][] call(GroupPhase phase, byte[] contribution, Deadline bound) {
    Thread inside = caller.compareAndExchange(null, Thread.currentThread());
    if (inside != null) {
      throw new ConcurrentUseException(
          "two threads in one group: rank=%d, phase=%s, inside=%s, refused=%s"
              .formatted(rank(), phase, inside.getName(), Thread.currentThread().getName()));
    }
    try {
      return collect(phase, contribution, bound);
    } catch (InterruptedException e) {
      hub.fail(GroupFailure.aborted(rank(), "interrupted in " + phase));
      Thread.currentThread().interrupt();
      throw new GroupInterruptedException(
          "interrupted in a collective: phase=" + phase + ", rank=" + rank());
    } finally {
      caller.set(null);
    }
  }

  private byte[][] collect(GroupPhase phase, byte[] contribution, Deadline bound)
      throws InterruptedException {
    if (closing.isDone()) {
      throw closedException(phase);
    }
    CompletableFuture<byte[][]> done = hub.deposit(rank(), phase, contribution, bound);
    try {
      CompletableFuture.anyOf(done, closing).get(bound.remainingNanos(), TimeUnit.NANOSECONDS);
    } catch (TimeoutException e) {
      hub.overdue(rank());
    } catch (ExecutionException e) {
      throw new AssertionError("a hub completes no deposit with an exception", e);
    }
    byte[][] all = done.getNow(null);
    if (all != null) {
      return copy(all);
    }
    throw closing.isDone() ? closedException(phase) : hub.failure().toException(rank());
  }

  /// The members of one process share what the hub holds; the caller owns what it gets.
  private static byte[][] copy(byte[][] contributions) {
    byte[][] owned = new byte[contributions.length][];
    for (int rank = 0; rank < owned.length; rank++) {
      owned[rank] = contributions[rank].clone();
    }
    return owned;
  }

  private GroupClosedException closedException(GroupPhase phase) {
    return new GroupClosedException("group is closed: phase=" + phase + ", rank=" + rank());
  }

  @Override
  public void abort(String reason) {
    Objects.requireNonNull(reason, "reason");
    if (!closing.isDone()) {
      hub.fail(GroupFailure.aborted(rank(), reason));
    }
  }

  @Override
  public void close() {
    if (closing.complete(null)) {
      hub.leave(rank());
      release.run();
    }
  }

  @Override
  public int rank() {
    return membership.rank();
  }

  @Override
  public int size() {
    return membership.size();
  }

  @Override
  public int localRank() {
    return membership.rank() % membership.localSize();
  }

  @Override
  public int localSize() {
    return membership.localSize();
  }

  @Override
  public boolean isOnOneMachine() {
    return membership.isOnOneMachine();
  }

  @Override
  public String name() {
    return membership.name();
  }

  @Override
  public Duration timeout() {
    return membership.timeout();
  }

  @Override
  public String toString() {
    return "ProcessGroup[" + name() + ", rank=" + rank() + ", size=" + size() + "]";
  }
}
