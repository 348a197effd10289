package io.crossdock.core.group;

import java.time.Duration;
import java.util.Objects;
import java.util.concurrent.atomic.AtomicReference;

/// What all groups do the same way: facts of the member, argument checks, one caller at a time.
abstract class AbstractGroup implements ProcessGroup {
  private static final byte[] NOTHING = {};

  private final Membership membership;
  private final AtomicReference<Thread> caller = new AtomicReference<>();

  AbstractGroup(Membership membership) {
    this.membership = membership;
  }

  /// The facts of one member.
  record Membership(
      int rank, int size, int localRank, int localSize, String name, Duration timeout) {}

  /// Runs one collective; barrier is an all-gather of nothing.
  ///
  /// @param contribution a copy that belongs to the group
  abstract byte[][] collect(GroupPhase phase, byte[] contribution) throws InterruptedException;

  /// Tells all members that this one was interrupted.
  abstract void abortInterrupted(String reason);

  @Override
  public final byte[][] allGather(byte[] contribution) {
    Objects.requireNonNull(contribution, "contribution");
    if (contribution.length > MAX_CONTRIBUTION_BYTES) {
      throw new IllegalArgumentException(
          "contribution is too large: bytes=%d, maxBytes=%d, rank=%d"
              .formatted(contribution.length, MAX_CONTRIBUTION_BYTES, rank()));
    }
    return call(GroupPhase.ALL_GATHER, contribution.clone());
  }

  @Override
  public final void barrier() {
    call(GroupPhase.BARRIER, NOTHING);
  }

  private byte[][] call(GroupPhase phase, byte[] contribution) {
    Thread inside = caller.compareAndExchange(null, Thread.currentThread());
    if (inside != null) {
      throw new IllegalStateException(
          "two threads in one group: rank=%d, phase=%s, inside=%s, refused=%s"
              .formatted(rank(), phase, inside.getName(), Thread.currentThread().getName()));
    }
    try {
      return collect(phase, contribution);
    } catch (InterruptedException e) {
      abortInterrupted("interrupted in " + phase);
      Thread.currentThread().interrupt();
      throw new GroupInterruptedException(
          "interrupted in a collective: rank=" + rank() + ", phase=" + phase);
    } finally {
      caller.set(null);
    }
  }

  final GroupClosedException closedException(GroupPhase phase) {
    return new GroupClosedException("group is closed: rank=" + rank() + ", phase=" + phase);
  }

  @Override
  public final int rank() {
    return membership.rank();
  }

  @Override
  public final int size() {
    return membership.size();
  }

  @Override
  public final int localRank() {
    return membership.localRank();
  }

  @Override
  public final int localSize() {
    return membership.localSize();
  }

  @Override
  public final String name() {
    return membership.name();
  }

  @Override
  public final Duration timeout() {
    return membership.timeout();
  }

  @Override
  public final String toString() {
    return "ProcessGroup[" + name() + ", rank=" + rank() + ", size=" + size() + "]";
  }
}
