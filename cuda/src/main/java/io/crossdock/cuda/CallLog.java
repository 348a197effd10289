package io.crossdock.cuda;

import io.crossdock.core.protocol.WindowSet;
import java.lang.foreign.MemorySegment;

/// The calls that were enqueued, in their order, and how they ended. A call is over once its report
/// was taken in; then its window goes where it belongs and what it failed with is kept for whoever
/// waits for it.
///
/// Safe for any thread.
final class CallLog implements AutoCloseable {
  private static final int NUM_SLOTS = 1024;
  private static final int NUM_STICKY = 64;

  private final ReportRing ring;
  private final ReportRing sticky;
  private final Health health;
  private final Control control;
  private final PeerLinks links;
  private final int rank;
  private final Call[] calls = new Call[NUM_SLOTS];
  private long issued;
  private long taken;
  private long lastSticky;
  private RuntimeException unclaimed;

  /// What must be done when a call is over. Reused.
  private static final class Call {
    private boolean deferred;
    private CudaHandleData fresh;
    private WindowSet windows;
    private int window;
    private long lease;
    private RuntimeException failure;

    private void clear() {
      deferred = false;
      fresh = null;
      windows = null;
      failure = null;
    }
  }

  CallLog(CudaGpu gpu, Health health, Control control, PeerLinks links) {
    this.ring = new ReportRing(gpu.context(), NUM_SLOTS);
    try {
      this.sticky = new ReportRing(gpu.context(), NUM_STICKY);
    } catch (RuntimeException e) {
      ring.close();
      throw e;
    }
    this.health = health;
    this.control = control;
    this.links = links;
    this.rank = links.rank();
    for (int i = 0; i < NUM_SLOTS; i++) {
      calls[i] = new Call();
    }
  }

  /// Begins a call.
  ///
  /// @param deferred true if perhaps nobody waits for it, so that what it fails with is kept for
  ///   [#throwUnclaimed]
  /// @return its ticket; 0 if as many calls as there are reports are under way
  synchronized long begin(boolean deferred) {
    take();
    if (issued - taken == NUM_SLOTS) {
      return 0;
    }
    issued++;
    Call call = call(issued);
    call.clear();
    call.deferred = deferred;
    ring.prepare(issued);
    return issued;
  }

  /// Begins a call that is captured: it reports only if it fails, and perhaps several times.
  synchronized long beginSticky() {
    return ++lastSticky;
  }

  /// True if a graph may have calls of the buffer.
  synchronized boolean hasCaptured() {
    return lastSticky > 0;
  }

  Health health() {
    return health;
  }

  long reportAddress(long ticket) {
    return ring.deviceAddress(ticket);
  }

  long stickyAddress(long ticket) {
    return sticky.deviceAddress(ticket);
  }

  /// The handle learns its epoch when the call is over.
  synchronized void fills(long ticket, CudaHandleData handle) {
    call(ticket).fresh = handle;
  }

  /// When the call is over, an expert-output window is free, or goes back to its lease; a lease of
  /// a receive window ends if the call failed.
  synchronized void uses(long ticket, WindowSet windows, int window, long lease) {
    Call call = call(ticket);
    call.windows = windows;
    call.window = window;
    call.lease = lease;
  }

  private Call call(long ticket) {
    return calls[(int) (ticket % NUM_SLOTS)];
  }

  /// The last call that was begun.
  synchronized long issued() {
    return issued;
  }

  /// The last call whose report was taken in.
  synchronized long reported() {
    return taken;
  }

  /// The oldest call that is not over; 0 if all are.
  synchronized long oldest() {
    take();
    return taken == issued ? 0 : taken + 1;
  }

  /// True once a call is over.
  synchronized boolean isOver(long ticket) {
    take();
    return taken >= ticket;
  }

  /// Takes in all reports that came.
  private void take() {
    while (taken < issued && ring.holds(taken + 1)) {
      taken++;
      finish(taken);
    }
  }

  private void finish(long ticket) {
    Call call = call(ticket);
    long code = ring.code(ticket);
    if (code == Verdicts.PROCEED) {
      succeed(call, ticket, ring.epoch(ticket));
    } else if (Verdicts.isFinal(code)) {
      call.failure = aborting(ring.report(ticket), code);
    } else {
      call.failure = Verdicts.orderly(ring.report(ticket), rank);
      withdraw(call);
    }
    if (call.failure != null && call.deferred && unclaimed == null) {
      unclaimed = call.failure;
    }
    call.fresh = null;
    call.windows = null;
  }

  private static void succeed(Call call, long ticket, long epoch) {
    if (call.fresh != null) {
      call.fresh.succeeded(ticket, epoch);
    }
    if (call.windows != null && call.lease == 0) {
      call.windows.free(call.window);
    }
  }

  private static void withdraw(Call call) {
    if (call.windows != null && call.lease == 0) {
      call.windows.withdraw(call.window);
    } else if (call.windows != null) {
      call.windows.endLease(call.window, call.lease);
    }
  }

  private RuntimeException aborting(MemorySegment report, long code) {
    if (code == Verdicts.TIMEOUT || code == Verdicts.PEER_LEFT) {
      int peer = Verdicts.peer(report);
      RuntimeException failure =
          code == Verdicts.PEER_LEFT && !links.isAlive(peer)
              ? Verdicts.died(report, rank, links.pid(peer))
              : Verdicts.aborting(report, rank, "");
      health.abortAfter(failure);
      return failure;
    }
    int origin = Verdicts.peer(report);
    String reason = control.reason(origin);
    health.noteAbort(origin, reason);
    return Verdicts.aborting(report, rank, reason);
  }

  /// What the first of some calls that failed threw, or null. It counts as told.
  ///
  /// @param after the call before the first
  /// @param last the last; all are over
  synchronized RuntimeException failure(long after, long last) {
    for (long ticket = Math.max(after, last - NUM_SLOTS) + 1; ticket <= last; ticket++) {
      RuntimeException failure = call(ticket).failure;
      if (failure != null && ticket > issued - NUM_SLOTS) {
        unclaimed = failure.equals(unclaimed) ? null : unclaimed;
        return failure;
      }
    }
    return null;
  }

  /// Throws what a call failed with that nobody waited for.
  synchronized void throwUnclaimed() {
    take();
    takeSticky();
    RuntimeException failure = unclaimed;
    unclaimed = null;
    if (failure != null) {
      throw failure;
    }
  }

  private void takeSticky() {
    for (int slot = 0; lastSticky > 0 && slot < sticky.numSlots(); slot++) {
      if (sticky.isFilled(slot)) {
        MemorySegment report = sticky.report(slot);
        long code = Verdicts.code(report);
        RuntimeException failure =
            Verdicts.isFinal(code) ? aborting(report, code) : Verdicts.orderly(report, rank);
        sticky.clear(slot);
        unclaimed = unclaimed == null ? failure : unclaimed;
      }
    }
  }

  /// Forgets all calls: none will report any more.
  synchronized void reset() {
    taken = issued;
    unclaimed = null;
    for (int slot = 0; slot < sticky.numSlots(); slot++) {
      sticky.clear(slot);
    }
  }

  /// Frees the reports; no kernel may run any more. What was reported can still be asked for, and
  /// what was not counts as over.
  @Override
  public void close() {
    try {
      forgetAll();
    } finally {
      try (ring) {
        sticky.close();
      }
    }
  }

  private synchronized void forgetAll() {
    try {
      take();
    } finally {
      taken = issued;
    }
  }
}
