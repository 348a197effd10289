package io.crossdock.core.group;

import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicBoolean;

/// A member that reaches the hub in its own process.
///
/// Any thread may call, one collective at a time.
class HubGroup extends AbstractGroup {
  private final Hub hub;
  private final AtomicBoolean closed = new AtomicBoolean();

  HubGroup(Membership membership, Hub hub) {
    super(membership);
    this.hub = hub;
  }

  final Hub hub() {
    return hub;
  }

  @Override
  final byte[][] collect(GroupPhase phase, byte[] contribution) throws InterruptedException {
    if (closed.get()) {
      throw closedException(phase);
    }
    CompletableFuture<byte[][]> done = hub.deposit(rank(), phase, contribution);
    try {
      return copy(done.get(timeout().toNanos(), TimeUnit.NANOSECONDS));
    } catch (ExecutionException | TimeoutException e) {
      GroupFailure failure = hub.failure();
      if (failure == null) {
        failure = GroupFailure.aborted(rank(), "no verdict in time: phase=" + phase);
        hub.fail(failure);
      }
      throw failure.toException(rank());
    }
  }

  private static byte[][] copy(byte[][] contributions) {
    byte[][] owned = new byte[contributions.length][];
    for (int rank = 0; rank < owned.length; rank++) {
      owned[rank] = contributions[rank].clone();
    }
    return owned;
  }

  @Override
  final void abortInterrupted(String reason) {
    abort(reason);
  }

  @Override
  public final void abort(String reason) {
    if (!closed.get()) {
      hub.fail(GroupFailure.aborted(rank(), reason));
    }
  }

  @Override
  public void close() {
    if (closed.compareAndSet(false, true)) {
      hub.leave(rank());
    }
  }
}
