package io.crossdock.cuda;

import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.crossdock.core.CombineConfig;
import io.crossdock.core.CrossdockException;
import io.crossdock.core.DispatchConfig;
import io.crossdock.core.InvalidInputException;
import io.crossdock.core.Tensor;
import io.crossdock.core.protocol.LowLatencyHandleData;
import io.crossdock.core.protocol.LowLatencyKind;
import io.crossdock.core.protocol.LowLatencyState;
import io.crossdock.core.spi.LowLatencyCombineCall;
import io.crossdock.core.spi.LowLatencyDispatchCall;
import io.crossdock.core.spi.LowLatencySession;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;

/// Low-latency mode of one rank on a GPU. With a hook each half of a call is one kernel, without it
/// the whole call is.
///
/// ```
///            with a hook            without
/// dispatch   ll_send    ll_pack     ll_dispatch
/// combine    ll_reply   ll_sum      ll_combine, zero-copy ll_combine_in_place
/// ```
///
/// A zero-copy `ll_reply` leaves this rank's own rows where they are; `ll_move_own` takes them
/// away.
///
/// Confined to one call at a time, as [LowLatencySession] says.
final class CudaLowLatency implements LowLatencySession {
  private static final long TERMS = Structs.LL_CALL.offset("terms");
  private static final long HANDLE = Structs.LL_CALL.offset("handle");
  private static final long CALL_EPOCH = Structs.LL_CALL.offset("call_epoch");
  private static final long AREA = Structs.LL_CALL.offset("area");
  private static final long WAITS = Structs.LL_CALL.offset("waits");
  private static final long NUM_TOKENS = Structs.LL_CALL.offset("num_tokens");
  private static final long NUM_LOCAL = Structs.LL_CALL.offset("num_local");
  private static final long OWN_STAY = Structs.LL_CALL.offset("own_stay");
  private static final long SENT_ROWS = Structs.LL_SEND.offset("rows");
  private static final long Y = Structs.LL_REPLY.offset("y");
  private static final long REASON = Structs.LL_REFUSE.offset("reason");

  /// Multiprocessors beyond these gain little for the few rows of a decode step.
  private static final int MOST_SMS = 32;

  private static final Kernel[] KERNELS = {
    Kernel.LL_SEND,
    Kernel.LL_PACK,
    Kernel.LL_DISPATCH,
    Kernel.LL_REPLY,
    Kernel.LL_MOVE_OWN,
    Kernel.LL_SUM,
    Kernel.LL_COMBINE,
    Kernel.LL_COMBINE_IN_PLACE,
    Kernel.LL_AWAIT_PULLED,
    Kernel.LL_CLEAN,
    Kernel.LL_REFUSE
  };

  private final CudaContext context;
  private final LowLatencyMemory memory;
  private final CudaLowLatencyHandle.Blocks blocks;
  private final CudaResultAreas areas;
  private final CudaRejoin rejoin;
  private final StayingRows staying;

  CudaLowLatency(CudaContext context, Resources resources) {
    this.context = context;
    int numExperts = context.spec.numExperts();
    long selections = (long) context.spec.numMaxTokensPerRank() * context.spec.topk();
    memory = resources.add(new LowLatencyMemory(context.gpu, context.numRanks, numExperts));
    memory.restart(context.control, 0, new boolean[context.numRanks]);
    blocks =
        resources.add(
            new CudaLowLatencyHandle.Blocks(context.gpu.memory(), selections, numExperts));
    WindowEvents released =
        resources.add(new WindowEvents(context.comm, LowLatencyState.MAX_LIVE_RESULTS));
    areas = new CudaResultAreas(context, released);
    rejoin = new CudaRejoin(context, memory);
    staying = new StayingRows(context.rank);
    Arena arena = Arena.ofShared();
    resources.add(arena);
    for (Kernel kernel : KERNELS) {
      Launcher launcher = context.addLauncher(kernel, arena);
      context.writeGeometry(launcher, memory.state);
      context.geometry.lowLatency.write(launcher.args(), memory);
    }
  }

  @Override
  public void reserve(LowLatencyDispatchCall call) {
    context.checkReady(call.config == null ? 0 : call.config.numSms());
    areas.claim(call);
  }

  @Override
  public void reserve(LowLatencyCombineCall call) {
    context.checkReady(call.config == null ? 0 : call.config.numSms());
    if (call.zeroCopy && call.y.segment().address() != areas.outputs(call.handle).address()) {
      throw new InvalidInputException(
          "zeroCopy needs the combine buffer of the handle: rank="
              + context.rank
              + ", remedy=nextCombineBuffer");
    }
  }

  private int sms(DispatchConfig config) {
    return sms(config == null ? 0 : config.numSms());
  }

  private int sms(CombineConfig config) {
    return sms(config == null ? 0 : config.numSms());
  }

  private int sms(int asked) {
    return asked > 0 ? asked : Math.min(MOST_SMS, context.share());
  }

  @Override
  public void send(LowLatencyDispatchCall call) {
    context.health.checkUsable();
    CudaLowLatencyHandle handle = (CudaLowLatencyHandle) call.handle;
    handle.generation = rejoin.generation();
    handle.received = false;
    handle.read = false;
    Kernel kernel = call.hooked ? Kernel.LL_SEND : Kernel.LL_DISPATCH;
    Launcher launcher = begin(kernel, call, handle);
    RowPlan.Rows rows =
        new RowPlan.Rows(context.spec.hidden(), call.format.isFp8(), handle.numTokens, handle.topk);
    int numBlocks = sms(call.config);
    RowPlan plan = RowPlan.of(rows, numBlocks, context.gpu.maxSharedBytes(kernel));
    launcher.putRows(SENT_ROWS, call.x);
    launcher.put(SENT_ROWS + 16, plan.pieceChannels());
    launcher.put(SENT_ROWS + 24, plan.numPieces());
    launcher.put(SENT_ROWS + 32, plan.numStages());
    launcher.put(SENT_ROWS + 40, plan.fetchedAt());
    if (!call.hooked) {
      handle.received = true;
      putReceive(kernel, launcher, call);
    }
    context.run(kernel, numBlocks, plan.sharedBytes());
  }

  /// A call without a hook is over when its send half is.
  @Override
  public void receive(LowLatencyDispatchCall call) {
    if (call.hooked) {
      CudaLowLatencyHandle handle = (CudaLowLatencyHandle) call.handle;
      requireOpen(handle);
      handle.received = true;
      putReceive(Kernel.LL_PACK, begin(Kernel.LL_PACK, call, handle), call);
      context.run(Kernel.LL_PACK, sms(call.config), 0);
    }
  }

  private Launcher begin(Kernel kernel, LowLatencyDispatchCall call, CudaLowLatencyHandle handle) {
    Launcher launcher = begin(kernel, LowLatencyKind.DISPATCH, call.format.ordinal(), handle);
    launcher.put(CALL_EPOCH, handle.epochAddress());
    launcher.put(WAITS, 0);
    putChoices(launcher, call.topkIdx);
    return launcher;
  }

  private void putReceive(Kernel kernel, Launcher launcher, LowLatencyDispatchCall call) {
    areas.awaitRelease(call.handle.area);
    putWaits(launcher, call.waitStats);
    long packed = kernel.args.offset("packed");
    launcher.putMemory(packed, call.result.rows());
    launcher.putMemory(packed + 8, call.result.scales());
    launcher.putMemory(packed + 16, call.result.count());
    launcher.putMemory(packed + 24, call.result.srcInfo());
    launcher.putMemory(packed + 32, call.result.layoutRange());
    launcher.putMemory(packed + 40, memoryOf(call.cumulativeRecvStats));
  }

  @Override
  public void send(LowLatencyCombineCall call) {
    context.health.checkUsable();
    CudaLowLatencyHandle handle = (CudaLowLatencyHandle) call.handle;
    requireComplete(handle);
    call.epoch = handle.nextCombineEpoch();
    Kernel kernel = kernelOf(call);
    Launcher launcher = begin(kernel, call, handle);
    launcher.putMemory(Y, call.y.segment());
    if (call.hooked) {
      launcher.put(OWN_STAY, call.zeroCopy ? 1 : 0);
    } else {
      handle.read |= call.zeroCopy;
      putSums(kernel, launcher, call);
    }
    context.run(kernel, sms(call.config), 0);
    if (call.hooked && call.zeroCopy) {
      staying.add(call, context.comm.isRecording());
    }
  }

  private static Kernel kernelOf(LowLatencyCombineCall call) {
    if (call.hooked) {
      return Kernel.LL_REPLY;
    }
    return call.zeroCopy ? Kernel.LL_COMBINE_IN_PLACE : Kernel.LL_COMBINE;
  }

  /// A call without a hook is over when its send half is.
  @Override
  public void receive(LowLatencyCombineCall call) {
    if (call.hooked) {
      CudaLowLatencyHandle handle = (CudaLowLatencyHandle) call.handle;
      requireOpen(handle);
      Launcher launcher = begin(Kernel.LL_SUM, call, handle);
      launcher.put(OWN_STAY, staying.end(call) ? 1 : 0);
      putSums(Kernel.LL_SUM, launcher, call);
      context.run(Kernel.LL_SUM, sms(call.config), 0);
    }
  }

  @Override
  public void giveBack(LowLatencyCombineCall call) {
    staying.end(call);
  }

  private Launcher begin(Kernel kernel, LowLatencyCombineCall call, CudaLowLatencyHandle handle) {
    Launcher launcher = begin(kernel, LowLatencyKind.COMBINE, call.format.ordinal(), handle);
    launcher.put(CALL_EPOCH, call.epoch);
    launcher.put(WAITS, 0);
    putChoices(launcher, call.topkIdx);
    return launcher;
  }

  private void putSums(Kernel kernel, Launcher launcher, LowLatencyCombineCall call) {
    putWaits(launcher, call.waitStats);
    long sums = kernel.args.offset("sums");
    launcher.putRows(sums, call.topkWeights);
    launcher.putRows(sums + 16, call.combinedX);
  }

  /// Ranks that came back since may not have taken part in the dispatch.
  private void requireComplete(CudaLowLatencyHandle handle) {
    if (!handle.received) {
      throw refused("the dispatch is not complete, its hook did not run: rank=" + context.rank);
    }
    if (handle.generation != rejoin.generation()) {
      throw refused(
          "the dispatch was made before ranks came back: rank="
              + context.rank
              + ", generation="
              + handle.generation
              + ", now="
              + rejoin.generation()
              + ", remedy=dispatch again");
    }
  }

  /// A call and its handle are of one generation; a handshake ends what was pending before it.
  private void requireOpen(CudaLowLatencyHandle handle) {
    context.health.checkUsable();
    if (handle.generation != rejoin.generation()) {
      throw new CrossdockException(
          "call was abandoned: rank="
              + context.rank
              + ", generation="
              + handle.generation
              + ", now="
              + rejoin.generation());
    }
  }

  private InvalidInputException refused(String message) {
    refuse(message);
    return new InvalidInputException(message);
  }

  private Launcher begin(
      Kernel kernel, LowLatencyKind kind, int format, CudaLowLatencyHandle handle) {
    Launcher launcher = context.launcher(kernel);
    launcher.putReporting(context.begin());
    launcher.put(TERMS, kind.ordinal());
    launcher.put(TERMS + 8, format);
    launcher.put(TERMS + 16, handle.numExperts);
    launcher.put(TERMS + 24, handle.numMaxTokens);
    launcher.put(HANDLE, handle.epochAddress());
    launcher.put(HANDLE + 8, handle.choices());
    launcher.put(HANDLE + 16, handle.slots());
    launcher.put(HANDLE + 24, handle.ranks());
    launcher.put(HANDLE + 32, handle.rows());
    launcher.put(HANDLE + 40, handle.counts());
    launcher.put(HANDLE + 48, handle.direct());
    launcher.put(HANDLE + 56, handle.topk);
    launcher.put(AREA, handle.area);
    launcher.put(NUM_TOKENS, handle.numTokens);
    int numLocal = handle.numExperts / context.numRanks;
    launcher.put(NUM_LOCAL, numLocal);
    launcher.put(NUM_LOCAL + 16, inverseOf(numLocal));
    return launcher;
  }

  /// What the kernels multiply by where they divide: 2^32 over the divisor, rounded up.
  static long inverseOf(int divisor) {
    return Math.ceilDiv(1L << 32, divisor);
  }

  private static void putChoices(Launcher launcher, Tensor topkIdx) {
    launcher.putRows(NUM_TOKENS + 8, topkIdx);
    launcher.put(NUM_TOKENS + 24, topkIdx.dtype().bytes());
    launcher.put(NUM_TOKENS + 32, topkIdx.size(1));
    launcher.put(NUM_LOCAL + 8, inverseOf((int) topkIdx.size(1)));
  }

  private void putWaits(Launcher launcher, Tensor stats) {
    launcher.putMemory(WAITS, memoryOf(stats));
    if (stats != null) {
      long bytes = (long) context.numRanks * Long.BYTES;
      context.comm.driver().memset8(stats.segment().address(), (byte) 0, bytes);
    }
  }

  private static MemorySegment memoryOf(Tensor tensor) {
    return tensor == null ? null : tensor.segment();
  }

  /// A graph that is captured runs nothing, so there nobody waits for the call.
  @Override
  public void refuse(String reason) {
    context.health.checkUsable();
    if (context.comm.isRecording()) {
      return;
    }
    Launcher launcher = context.launcher(Kernel.LL_REFUSE);
    Ticket begun = context.begin();
    launcher.putReporting(begun);
    launcher.put(CALL_EPOCH, memory.scratch);
    Verdicts.putText(launcher.args().asSlice(REASON, Structs.REASON_BYTES), reason);
    context.run(Kernel.LL_REFUSE, 1, 0);
    context.wait.await(begun.number());
  }

  /// Peers may still read what an earlier combine of this handle left there, and the receive half
  /// of one whose hook did not run what was this rank's own.
  @Override
  public MemorySegment combineBuffer(LowLatencyHandleData handle) {
    context.health.checkUsable();
    MemorySegment outputs = areas.outputs(handle);
    boolean read = ((CudaLowLatencyHandle) handle).read;
    List<LowLatencyCombineCall> leaving = staying.leaving(handle, context.comm.isRecording());
    if (read || !leaving.isEmpty()) {
      context.comm.follow();
      context.comm.execute(() -> leave(handle.area, leaving, read));
    }
    staying.left(handle);
    return outputs;
  }

  private void leave(int area, List<LowLatencyCombineCall> leaving, boolean read) {
    leaving.forEach(this::moveOwn);
    if (read) {
      awaitPulled(area);
    }
  }

  private void moveOwn(LowLatencyCombineCall call) {
    Launcher launcher = begin(Kernel.LL_MOVE_OWN, call, (CudaLowLatencyHandle) call.handle);
    launcher.putMemory(Y, call.y.segment());
    launcher.put(OWN_STAY, 0);
    context.run(Kernel.LL_MOVE_OWN, sms(call.config), 0);
  }

  private void awaitPulled(int area) {
    Launcher launcher = context.launcher(Kernel.LL_AWAIT_PULLED);
    launcher.putReporting(context.begin());
    launcher.put(AREA, area);
    launcher.put(WAITS, 0);
    context.run(Kernel.LL_AWAIT_PULLED, 1, 0);
  }

  @Override
  public void endResult(int area, long ticket) {
    areas.end(area, ticket);
  }

  @Override
  public LowLatencyHandleData newHandle() {
    return new CudaLowLatencyHandle(blocks, context.control);
  }

  @Override
  public void clean() {
    context.health.checkUsable();
    Launcher launcher = context.launcher(Kernel.LL_CLEAN);
    launcher.putReporting(context.begin());
    launcher.put(CALL_EPOCH, memory.scratch);
    launcher.put(WAITS, 0);
    launcher.put(TERMS, LowLatencyKind.CLEAN.ordinal());
    context.run(Kernel.LL_CLEAN, 1, 0);
  }

  @Override
  public void mask(int peer) {
    if (peer == context.rank) {
      throw new InvalidInputException("a rank cannot mask itself: rank=" + peer);
    }
    rejoin.mask(peer);
  }

  @Override
  public boolean[] masks() {
    boolean[] masks = new boolean[context.numRanks];
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment words = arena.allocate(JAVA_LONG, context.numRanks);
      context.control.download(memory.masks, words);
      for (int peer = 0; peer < masks.length; peer++) {
        masks[peer] = words.getAtIndex(JAVA_LONG, peer) != 0;
      }
    }
    return masks;
  }

  @Override
  public void rejoin(boolean[] returning) {
    context.health.checkUsable();
    context.comm.driver().drain(context.wait.bound());
    boolean[] absent = masks();
    for (int peer = 0; peer < absent.length; peer++) {
      absent[peer] &= !returning[peer];
    }
    rejoin.run(absent);
    staying.clear();
  }

  /// {@return the generation to be known by all before [#reset]}
  long generation() {
    return LowLatencyState.generation(memory.epoch(context.control));
  }

  /// Starts anew after an abort, with all ranks living; no kernel of any rank runs.
  ///
  /// @param generation above all used, equal on all ranks
  void reset(long generation) {
    areas.clear();
    staying.clear();
    rejoin.restart(generation, new boolean[context.numRanks]);
  }
}
