package io.crossdock.cuda;

import io.crossdock.core.Tensor;
import io.crossdock.core.protocol.CallKind;
import io.crossdock.core.protocol.Failures;
import io.crossdock.core.protocol.WindowSet;
import io.crossdock.core.spi.DispatchCall;
import java.lang.foreign.MemorySegment;

/// Enqueues dispatches: reserve a window, enter, place; in rounds when the windows are too small.
///
/// ```
/// fresh    enter_dispatch, place_rows   one report, by whichever ends the call
/// cached   place_rows                   enters by itself
/// rounds   place_rows each              the host looks at each verdict before the next
/// ```
///
/// Confined to the thread that runs the call; [#reserve] may run ahead on the caller's thread.
final class CudaDispatch {
  private static final Struct ENTER = Structs.ENTER;
  private static final Struct PLACE = Structs.PLACE;
  private static final long E_COUNTS = ENTER.offset("counts");
  private static final long E_NUM_TOKENS = ENTER.offset("num_tokens");
  private static final long E_TOPK_IDX = ENTER.offset("topk_idx");
  private static final long E_IN_RANK = ENTER.offset("layout_in_rank");
  private static final long E_LAYOUT_RANKS = ENTER.offset("layout_rank_counts");
  private static final long E_LAYOUT_EXPERTS = ENTER.offset("layout_expert_counts");
  private static final long E_RANK_COUNTS = ENTER.offset("rank_counts");
  private static final long E_EXPERT_COUNTS = ENTER.offset("expert_counts");
  private static final long P_ENTERED = PLACE.offset("entered");
  private static final long P_NUM_TOKENS = PLACE.offset("num_tokens");
  private static final long P_X = PLACE.offset("x");
  private static final long P_SCALES = PLACE.offset("scales");
  private static final long P_TOPK_IDX = PLACE.offset("topk_idx");
  private static final long P_TOPK_WEIGHTS = PLACE.offset("topk_weights");
  private static final long P_FIRST_ROW = PLACE.offset("first_row");
  private static final long P_PIECE_BYTES = PLACE.offset("piece_bytes");
  private static final long P_NUM_STAGES = PLACE.offset("num_stages");
  private static final long P_OUT_ROWS = PLACE.offset("out_rows");
  private static final long P_WORST_ROWS = PLACE.offset("worst_rows");
  private static final long P_TAIL_IDX = PLACE.offset("tail_topk_idx");
  private static final long P_TAIL_WEIGHTS = PLACE.offset("tail_topk_weights");
  private static final byte POISON = (byte) 0xff;

  private final CudaContext context;
  private final WindowSet windows;
  private final WindowEvents released;
  private final Launcher enter;
  private final Launcher place;
  private StagePlan plan;
  private long plannedBytes = -1;
  private int plannedStages;

  /// Ticket of the call between enter and place; 0 if it is captured or not begun.
  private long ticket;

  private boolean placed;

  CudaDispatch(CudaContext context, WindowEvents released) {
    this.context = context;
    this.windows = context.receive;
    this.released = released;
    this.enter = context.launcher(Kernel.ENTER_DISPATCH);
    this.place = context.launcher(Kernel.PLACE_ROWS);
  }

  void reserve(DispatchCall call) {
    context.checkReady(call.config.numSms());
    long rows = context.geometry.rows;
    if (!call.owned && call.numWorstTokens > rows) {
      throw Failures.worstExceedsWindow(call.numWorstTokens, rows);
    }
    call.window = acquire();
    if (call.window < 0) {
      throw Failures.noReceiveWindow(context.rank, windows);
    }
    call.ticket = windows.ticket(call.window);
    if (!call.owned) {
      lendViews(call);
    }
  }

  /// A call that failed and was not looked at yet may still hold a window.
  private int acquire() {
    context.log.oldest();
    return windows.acquire();
  }

  private void lendViews(DispatchCall call) {
    CudaGeometry geometry = context.geometry;
    long at = context.links.address(context.rank) + geometry.receive(call.window);
    call.recvRows = MemorySegment.ofAddress(at);
    call.recvScales = view(at + geometry.recvScales, call.scales);
    call.recvTopkIdx = view(at + geometry.recvTopkIdx, call.topkIdx);
    call.recvTopkWeights = view(at + geometry.recvTopkWeights, call.topkWeights);
  }

  private static MemorySegment view(long at, Tensor like) {
    return like == null ? null : MemorySegment.ofAddress(at);
  }

  /// Enters the epoch, or leaves that to [#place] where nothing is learnt by it. On any failure the
  /// window is withdrawn.
  void enter(DispatchCall call) {
    ticket = 0;
    placed = false;
    try {
      context.health.checkUsable();
      call.fillEntry(context.entry, context.geometry.rows);
      released.awaitRelease(call.window);
      poison(call);
      if (call.cached) {
        context.knownRounds((CudaHandleData) call.handle);
        call.numRecvRows = call.numWorstTokens > 0 ? 0 : call.handle.numRecvRows();
      } else {
        enterFresh(call);
      }
    } catch (RuntimeException e) {
      context.withdraw(windows, call.window);
      throw e;
    }
  }

  /// In debugging, rows that nobody wrote are no leftovers that look right.
  private void poison(DispatchCall call) {
    if (CudaGpu.DEBUG) {
      long at = context.links.address(context.rank) + context.geometry.receive(call.window);
      context.comm.driver().memset8(at, POISON, context.geometry.receivePitch);
    }
  }

  private void enterFresh(DispatchCall call) {
    boolean waits = call.numWorstTokens == 0 || context.mayNeedRounds();
    if (waits && context.comm.isRecording()) {
      throw CudaContext.notCaptured("counts of a fresh dispatch are needed on the host");
    }
    HandleBlocks.Block block = context.blocks.take();
    boolean adopted = false;
    try {
      Ticket begun = context.begin();
      ticket = begun.isSticky() ? 0 : begun.number();
      launchEnter(call, block, begun, waits);
      context.comm.endHere();
      // What a peer sees of the call does not depend on when place follows.
      if (!context.mayNeedRounds() && call.recvRows != null) {
        launchPlace(call, block, begun, 0, 1);
        placed = true;
      }
      if (waits) {
        context.wait.awaitCounts(context.counts, ticket);
      }
      adopt(call, block, waits);
      adopted = true;
    } finally {
      if (!adopted) {
        context.blocks.giveBack(block);
      }
    }
  }

  private void launchEnter(
      DispatchCall call, HandleBlocks.Block block, Ticket begun, boolean waits) {
    enter.putEntry(context.entry);
    enter.putHandle(block, true);
    enter.putReporting(begun);
    enter.put(E_COUNTS, waits ? context.counts.deviceAddress() : 0);
    enter.put(E_NUM_TOKENS, call.x.size(0));
    enter.putRows(E_TOPK_IDX, call.topkIdx);
    enter.putMemory(E_IN_RANK, call.layout.tokenInRankBuffer().segment());
    enter.putMemory(E_LAYOUT_RANKS, call.layout.tokensPerRank().segment());
    enter.putMemory(E_LAYOUT_EXPERTS, call.layout.tokensPerExpert().segment());
    enter.put(E_RANK_COUNTS, context.local.rankCounts);
    enter.put(E_EXPERT_COUNTS, context.local.expertCounts);
    int blocks = Math.min(context.sms(call.config.numSms()), context.numRanks);
    context.run(Kernel.ENTER_DISPATCH, blocks, 0);
  }

  private void adopt(DispatchCall call, HandleBlocks.Block block, boolean counted) {
    CudaHandleData handle = (CudaHandleData) call.handle;
    handle.refill(block, call, ticket);
    if (ticket != 0) {
      context.log.fills(ticket, handle);
    }
    if (counted) {
      context.counts.putPrefix(handle);
      call.numRecvRows = handle.numRecvRows();
      if (call.numWorstTokens == 0) {
        context.counts.putExperts(handle, call.expertAlignment);
      }
    }
  }

  /// Places all rows, unless that was enqueued when the call entered. The window becomes a lease
  /// (borrowed) or free (owned): what uses it next comes behind on the same stream.
  void place(DispatchCall call) {
    context.comm.endLater();
    CudaHandleData handle = (CudaHandleData) call.handle;
    int rounds = context.knownRounds(handle);
    try {
      if (!placed) {
        placeRounds(call, handle, rounds);
      }
    } catch (RuntimeException e) {
      context.withdraw(windows, call.window);
      throw e;
    }
    long scaleBytes = call.scales == null ? 0 : call.scales.rowBytes();
    int sms = context.sms(call.config.numSms());
    context.stats.dispatch(handle, sms, plan(call), rounds, call.x.rowBytes() + scaleBytes);
    finish(call);
  }

  private void placeRounds(DispatchCall call, CudaHandleData handle, int rounds) {
    call.fillEntry(context.entry, context.geometry.rows);
    for (int round = 0; round < rounds; round++) {
      // A fresh dispatch began when it entered.
      Ticket begun = !call.cached && round == 0 ? context.ticket() : context.begin();
      if (round > 0) {
        context.entry.kind = CallKind.DISPATCH_ROUND;
        context.entry.round = round;
      }
      launchPlace(call, handle.block(), begun, round, rounds);
      ticket = begun.isSticky() ? 0 : begun.number();
      // A peer that refuses takes part in one epoch only: further rounds need this one's verdict.
      if (round + 1 < rounds) {
        context.wait.join(ticket - 1, ticket);
      }
    }
  }

  private void launchPlace(
      DispatchCall call, HandleBlocks.Block block, Ticket begun, int round, int rounds) {
    StagePlan stages = plan(call);
    place.putEntry(context.entry);
    place.putHandle(block, !call.cached);
    place.putReporting(begun);
    place.put(P_ENTERED, !call.cached && round == 0 ? 1 : 0);
    place.put(P_NUM_TOKENS, call.x.size(0));
    place.putRows(P_X, call.x);
    place.putRows(P_SCALES, call.scales);
    place.putRows(P_TOPK_IDX, call.topkIdx);
    place.putRows(P_TOPK_WEIGHTS, call.topkWeights);
    place.put(P_FIRST_ROW, round * context.geometry.rows);
    place.put(P_PIECE_BYTES, stages.pieceBytes());
    place.put(P_NUM_STAGES, stages.numStages());
    place.putMemory(P_OUT_ROWS, call.owned ? call.recvRows : null);
    place.putMemory(P_OUT_ROWS + 8, call.owned ? call.recvScales : null);
    place.putMemory(P_OUT_ROWS + 16, call.owned ? call.recvTopkIdx : null);
    place.putMemory(P_OUT_ROWS + 24, call.owned ? call.recvTopkWeights : null);
    boolean tail = call.numWorstTokens > 0 && round == rounds - 1;
    place.put(P_WORST_ROWS, call.numWorstTokens);
    place.putMemory(P_TAIL_IDX, tail ? call.recvTopkIdx : null);
    place.putMemory(P_TAIL_WEIGHTS, tail ? call.recvTopkWeights : null);
    context.run(Kernel.PLACE_ROWS, context.sms(call.config.numSms()), stages.sharedBytes());
  }

  private StagePlan plan(DispatchCall call) {
    long rowBytes = call.x.rowBytes();
    int stages = call.config.stages();
    if (rowBytes != plannedBytes || stages != plannedStages) {
      plan =
          StagePlan.of(
              rowBytes, context.numRanks, context.gpu.maxSharedBytes(Kernel.PLACE_ROWS), stages);
      plannedBytes = rowBytes;
      plannedStages = stages;
    }
    return plan;
  }

  private void finish(DispatchCall call) {
    if (call.owned) {
      windows.free(call.window);
    } else {
      windows.hand(call.window, WindowSet.Holder.LEASE, call.handle.epoch);
      if (ticket != 0) {
        context.log.uses(ticket, windows, call.window, call.ticket);
      }
    }
    if (ticket != 0) {
      context.comm.include(ticket);
    }
  }
}
