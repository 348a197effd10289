package io.crossdock.host;

import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;

import io.crossdock.core.LowLatencyFormat;
import io.crossdock.core.protocol.LowLatencyKind;
import io.crossdock.core.protocol.LowLatencyTerms;
import io.crossdock.core.spi.LowLatencyDispatchCall;
import java.lang.foreign.MemorySegment;

/// Runs low-latency dispatches: plan, cast and send; later wait and pack.
///
/// Confined to the thread that runs the call.
final class LowLatencyDispatch {
  private final LowLatencyContext context;
  private final LowLatencySendTask send;
  private final LowLatencyPackTask pack;

  LowLatencyDispatch(LowLatencyContext context, Fp8CastKernel cast) {
    this.context = context;
    this.send = new LowLatencySendTask(context, cast);
    this.pack = new LowLatencyPackTask(context);
  }

  void send(LowLatencyDispatchCall call) {
    context.requireSlots();
    HostLowLatencyHandle handle = (HostLowLatencyHandle) call.handle;
    planOrRefuse(call, handle);
    long epoch = context.begin();
    call.epoch = epoch;
    handle.epoch = epoch;
    LowLatencyTerms terms = context.terms(epoch);
    terms.kind = LowLatencyKind.DISPATCH;
    terms.format = call.format.ordinal();
    terms.numExperts = call.numExperts;
    terms.numMaxTokens = call.numMaxTokens;
    terms.handleEpoch = 0;
    int workers = context.host.workers(call.config == null ? 0 : call.config.numSms());
    try {
      send.prepare(call);
      context.host.stats.start(Math.min(workers, send.numChunks()), 1, 1);
      context.host.stats.numChunks = send.numChunks();
      context.host.pool.run(send, send.numChunks(), workers);
    } finally {
      send.clear();
    }
    putRows(call, handle);
    context.publishFlags(epoch, handle.plan.counts());
    count(call, handle);
  }

  /// The rows for far ranks lie in images of lanes now.
  private void putRows(LowLatencyDispatchCall call, HostLowLatencyHandle handle) {
    context.lanes.start();
    for (int peer = 0; peer < context.numRanks; peer++) {
      if (!context.lanes.isNear(peer) && !context.state.isMasked(peer)) {
        long rows = handle.plan.numTo(peer);
        long rowBytes = rowBytes(call.format);
        context.lanes.putRows(peer, call.epoch, rows, rowBytes, scaleBytes(call.format));
      }
    }
  }

  private void planOrRefuse(LowLatencyDispatchCall call, HostLowLatencyHandle handle) {
    try {
      handle.startSend();
      handle.plan.plan(call.topkIdx, call.numExperts);
    } catch (RuntimeException e) {
      context.refuse(String.valueOf(e.getMessage()));
      throw e;
    }
  }

  private void count(LowLatencyDispatchCall call, HostLowLatencyHandle handle) {
    long rowBytes = rowBytes(call.format) + scaleBytes(call.format);
    SelectionPlan plan = handle.plan;
    context.host.stats.bytesRead = 2L * plan.numTokens() * context.hidden;
    context.host.stats.bytesWritten = plan.numSelections() * rowBytes;
    long near = -plan.numTo(context.rank);
    for (int peer = context.host.place.firstNear(); peer < context.host.place.endNear(); peer++) {
      near += plan.numTo(peer);
    }
    context.host.stats.wireBytes = near * rowBytes;
    context.host.stats.networkBytes = context.lanes.bytes();
  }

  private long rowBytes(LowLatencyFormat format) {
    return (long) context.hidden * format.rowType().bytes();
  }

  private long scaleBytes(LowLatencyFormat format) {
    return format.isFp8() ? context.host.spec.maxScaleBytes() : 0;
  }

  void receive(LowLatencyDispatchCall call) {
    context.receive(call.epoch, () -> awaitAndPack(call));
  }

  private void awaitAndPack(LowLatencyDispatchCall call) {
    long epoch = call.epoch;
    context.awaitFlags(epoch);
    HostLowLatencyHandle handle = (HostLowLatencyHandle) call.handle;
    handle.startReceive();
    int local = handle.numLocalExperts();
    for (int source = 0; source < context.numRanks; source++) {
      if (context.state.counts(epoch, source)) {
        context.board.readCounts(source, epoch, handle.counts(), source * local, local);
      }
    }
    handle.endReceive();
    writeLayout(call, handle);
    int workers = context.host.workers(call.config == null ? 0 : call.config.numSms());
    try {
      pack.prepare(call);
      context.host.pool.run(pack, pack.numChunks(), workers);
    } finally {
      pack.clear();
    }
    context.writeWaits(call.waitStats);
  }

  private void writeLayout(LowLatencyDispatchCall call, HostLowLatencyHandle handle) {
    MemorySegment counts = call.result.count();
    MemorySegment ranges = call.result.layoutRange();
    MemorySegment sums =
        call.cumulativeRecvStats == null ? null : Memory.of(call.cumulativeRecvStats);
    long at = 0;
    for (int expert = 0; expert < handle.numLocalExperts(); expert++) {
      int total = handle.total(expert);
      counts.set(JAVA_INT_UNALIGNED, expert * 4L, total);
      if (sums != null) {
        int before = sums.get(JAVA_INT_UNALIGNED, expert * 4L);
        sums.set(JAVA_INT_UNALIGNED, expert * 4L, before + total);
      }
      for (int source = 0; source < context.numRanks; source++) {
        ranges.set(JAVA_INT_UNALIGNED, at, handle.begin(source, expert));
        ranges.set(JAVA_INT_UNALIGNED, at + 4, handle.count(source, expert));
        at += 8;
      }
    }
  }
}
