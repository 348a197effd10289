package io.crossdock.host;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;

import io.crossdock.core.Tensor;
import io.crossdock.core.protocol.CallKind;
import io.crossdock.core.protocol.Entry;
import io.crossdock.core.protocol.Failures;
import io.crossdock.core.protocol.HandleData;
import io.crossdock.core.protocol.SendPlan;
import io.crossdock.core.protocol.WindowSet;
import io.crossdock.core.spi.DispatchCall;
import java.lang.foreign.MemorySegment;

/// Runs dispatches: reserve a window, enter, place, finish; in rounds when the windows are too
/// small.
///
/// Confined to the thread that runs the call; [#reserve] may run ahead on the caller's thread.
final class DispatchRunner {
  private final HostContext context;
  private final PlaceTask place;
  private final CopyTask copy = new CopyTask();

  /// Null on one node.
  private final NodeDispatch nodes;

  private SendPlan nextPlan = new SendPlan();
  private int workers;

  DispatchRunner(HostContext context) {
    this.context = context;
    this.place = new PlaceTask(context);
    this.nodes = context.network == null ? null : new NodeDispatch(context, place);
  }

  void reserve(DispatchCall call) {
    context.checkUsable();
    long rows = context.layout.rows;
    if (!call.owned && call.numWorstTokens > rows) {
      throw Failures.worstExceedsWindow(call.numWorstTokens, rows);
    }
    WindowSet windows = context.protocol.receive();
    call.window = windows.acquire();
    if (call.window < 0) {
      throw Failures.noReceiveWindow(context.rank, windows);
    }
    call.ticket = windows.ticket(call.window);
    if (!call.owned) {
      lendViews(call, rows);
    }
  }

  private void lendViews(DispatchCall call, long rows) {
    MemorySegment page = context.pages[context.rank];
    WindowLayout layout = context.layout;
    long at = layout.receive(call.window);
    call.recvRows = page.asSlice(at, rows * call.x.rowBytes());
    call.recvScales = slice(page, at + layout.recvScales, rows, call.scales);
    call.recvTopkIdx = slice(page, at + layout.recvTopkIdx, rows, call.topkIdx);
    call.recvTopkWeights = slice(page, at + layout.recvTopkWeights, rows, call.topkWeights);
  }

  private static MemorySegment slice(MemorySegment page, long at, long rows, Tensor like) {
    return like == null ? null : page.asSlice(at, rows * like.rowBytes());
  }

  /// Enters the epoch. On any failure the window is withdrawn.
  void enter(DispatchCall call) {
    try {
      if (!call.cached) {
        planOrRefuse(call);
      }
      fillEntry(call);
      context.enter();
    } catch (RuntimeException e) {
      context.protocol.withdraw(context.protocol.receive(), call.window);
      throw e;
    }
    takeCounts(call);
  }

  private void planOrRefuse(DispatchCall call) {
    try {
      if (call.topkIdx == null) {
        context.planner.plan(call.layout, nextPlan);
      } else {
        context.planner.plan(call.topkIdx, call.layout.numExperts(), nextPlan);
        context.planner.checkLayout(call.layout, nextPlan);
      }
    } catch (RuntimeException e) {
      context.mine().refuse(String.valueOf(e.getMessage()));
      context.publish();
      throw e;
    }
  }

  private void fillEntry(DispatchCall call) {
    Entry entry = context.mine();
    call.fillEntry(entry, context.layout.rows);
    entry.networkChunkRows = call.config.networkChunkRows();
    SendPlan plan = call.cached ? call.handle.plan : nextPlan;
    for (int dst = 0; dst < context.numRanks; dst++) {
      entry.rankCounts[dst] = plan.count(dst);
    }
    if (!call.cached) {
      fillExpertCounts(call, entry);
    }
  }

  private void fillExpertCounts(DispatchCall call, Entry entry) {
    if (call.topkIdx == null) {
      MemorySegment.copy(
          call.layout.tokensPerExpert().segment(),
          JAVA_INT_UNALIGNED,
          0,
          entry.expertCounts,
          0,
          entry.numExperts);
    } else {
      System.arraycopy(context.planner.expertCounts(), 0, entry.expertCounts, 0, entry.numExperts);
    }
  }

  private void takeCounts(DispatchCall call) {
    HandleData handle = call.handle;
    if (!call.cached) {
      nextPlan = handle.exchangePlan(nextPlan);
      if (handle.nodes != null) {
        handle.nodes.start(handle.plan);
      }
      handle.epoch = context.protocol.epoch();
      handle.numExperts = call.layout.numExperts();
      handle.topk = context.mine().topk;
      handle.worstRows = call.numWorstTokens;
      for (int source = 0; source < context.numRanks; source++) {
        handle.setCounts(source, context.protocol.entry(source).rankCounts);
      }
      handle.ensureSourceIndices();
      takeExpertCounts(call);
    }
    call.numRecvRows = handle.numRecvRows();
  }

  private void takeExpertCounts(DispatchCall call) {
    HandleData handle = call.handle;
    boolean known = call.numWorstTokens == 0;
    int local = handle.numExperts / context.numRanks;
    handle.ensureExperts(known ? local : 0);
    for (int j = 0; known && j < local; j++) {
      int count = 0;
      for (int source = 0; source < context.numRanks; source++) {
        count += context.protocol.entry(source).expertCounts[context.rank * local + j];
      }
      int blocks = Math.ceilDiv(count, call.expertAlignment);
      handle.tokensPerLocalExpert[j] = Math.multiplyExact(blocks, call.expertAlignment);
    }
  }

  /// Places all rows and waits for all peers'. The window becomes a lease (borrowed) or free
  /// (owned).
  void place(DispatchCall call) {
    try {
      placeAll(call);
    } finally {
      place.clear();
      if (nodes != null) {
        nodes.clear();
      }
    }
  }

  private void placeAll(DispatchCall call) {
    int rounds = context.protocol.rounds(call.handle);
    workers = context.workers(call.config.numSms());
    place.prepare(call);
    if (nodes != null) {
      nodes.prepare(call, workers);
    }
    context.stats.start(Math.min(workers, place.numChunks()), place.numPieces(), rounds);
    for (int round = 0; round < rounds; round++) {
      if (round > 0) {
        context.mine().kind = CallKind.DISPATCH_ROUND;
        context.mine().round = round;
        context.enter();
      }
      placeRound(round);
      if (call.owned) {
        copyOut(call, round);
      }
      if (!call.cached) {
        copySource(call, round);
      }
    }
    count(call);
    finish(call);
  }

  private void placeRound(int round) {
    place.round(round);
    if (nodes == null) {
      context.pool.run(place, place.numChunks(), workers);
    } else {
      nodes.run(round);
    }
    context.stats.numChunks += place.numChunks();
    context.board.publishFinished(context.protocol.epoch());
    context.awaitFinished();
  }

  private long firstRow(int round) {
    return round * context.layout.rows;
  }

  private long rowsOf(DispatchCall call, int round) {
    return Math.clamp(call.numRecvRows - firstRow(round), 0, context.layout.rows);
  }

  private void copyOut(DispatchCall call, int round) {
    WindowLayout layout = context.layout;
    copyArea(call, round, 0, call.x, call.recvRows);
    copyArea(call, round, layout.recvScales, call.scales, call.recvScales);
    copyArea(call, round, layout.recvTopkIdx, call.topkIdx, call.recvTopkIdx);
    copyArea(call, round, layout.recvTopkWeights, call.topkWeights, call.recvTopkWeights);
  }

  private void copyArea(
      DispatchCall call, int round, long area, Tensor like, MemorySegment target) {
    if (like == null) {
      return;
    }
    long bytes = like.rowBytes();
    long at = context.layout.receive(call.window) + area;
    copy.from(context.pages[context.rank], at, bytes)
        .to(target, firstRow(round) * bytes)
        .copy(rowsOf(call, round), bytes, context.pool, workers);
  }

  private void copySource(DispatchCall call, int round) {
    int rows = Math.toIntExact(rowsOf(call, round));
    if (rows > 0) {
      MemorySegment.copy(
          context.pages[context.rank],
          JAVA_INT,
          context.layout.receive(call.window) + context.layout.recvSource,
          call.handle.sourceTokenIdx,
          Math.toIntExact(firstRow(round)),
          rows);
    }
  }

  private void finish(DispatchCall call) {
    if (call.numWorstTokens > 0) {
      fillTail(call);
    }
    WindowSet windows = context.protocol.receive();
    if (call.owned) {
      windows.free(call.window);
    } else {
      windows.hand(call.window, WindowSet.Holder.LEASE, context.protocol.epoch());
    }
  }

  private static void fillTail(DispatchCall call) {
    if (call.topkIdx != null) {
      fillRows(call, call.recvTopkIdx, call.topkIdx, (byte) -1);
    }
    if (call.topkWeights != null) {
      fillRows(call, call.recvTopkWeights, call.topkWeights, (byte) 0);
    }
  }

  private static void fillRows(DispatchCall call, MemorySegment area, Tensor like, byte value) {
    long bytes = like.rowBytes();
    long rows = call.numWorstTokens - call.numRecvRows;
    area.asSlice(call.numRecvRows * bytes, rows * bytes).fill(value);
  }

  private void count(DispatchCall call) {
    long rowBytes = call.x.rowBytes() + (call.scales == null ? 0 : call.scales.rowBytes());
    SendPlan plan = call.handle.plan;
    context.stats.bytesRead = plan.numTokens() * rowBytes;
    context.stats.bytesWritten = context.writtenRows(call.handle) * rowBytes;
    context.stats.wireBytes = (context.nearRows(plan) - plan.count(context.rank)) * rowBytes;
    context.stats.networkBytes = nodes == null ? 0 : nodes.bytes();
  }
}
