package io.crossdock.cuda;

import io.crossdock.core.CallStats;
import io.crossdock.core.CallTimer;
import io.crossdock.core.CrossdockException;
import io.crossdock.core.Domain;
import io.crossdock.core.EngineMemory;
import io.crossdock.core.ExecutionStream;
import io.crossdock.core.Layout;
import io.crossdock.core.RecordedCalls;
import io.crossdock.core.StandInWork;
import io.crossdock.core.Tensor;
import io.crossdock.core.WaitTimeoutException;
import io.crossdock.core.group.ProcessGroup;
import io.crossdock.core.protocol.Failures;
import io.crossdock.core.protocol.HandleData;
import io.crossdock.core.protocol.ProtocolState;
import io.crossdock.core.protocol.WindowSet;
import io.crossdock.core.spi.CombineCall;
import io.crossdock.core.spi.DispatchCall;
import io.crossdock.core.spi.EngineSession;
import io.crossdock.core.spi.LowLatencySession;
import io.crossdock.core.spi.OutputPlace;
import io.crossdock.cuda.driver.GpuTimeoutException;
import io.crossdock.ffi.NativeCallException;
import java.nio.ByteBuffer;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.locks.LockSupport;

/// One rank's side of a buffer on a GPU.
///
/// Confined to one call at a time, as [EngineSession] says.
final class CudaSession implements EngineSession {
  /// How long a rank that closes keeps its memory for peers in other processes.
  private static final long LEAVE_NANOS = 5_000_000_000L;

  private static final long LEAVE_PAUSE_NANOS = 1_000_000;

  private final CudaContext context;
  private final ProcessGroup group;
  private final Resources resources;
  private final CudaMemory memory;
  private final WindowEvents receiveEvents;
  private final WindowEvents outputEvents;
  private final CudaDispatch dispatches;
  private final CudaOutputs outputs;
  private final CudaCombine combines;
  private final CudaLayouts layouts;
  private final CudaStandIn standIn;

  /// Null in a buffer for normal mode alone.
  private final CudaLowLatency lowLatency;

  private final AtomicBoolean closed = new AtomicBoolean();

  CudaSession(CudaContext context, ProcessGroup group, Resources resources) {
    this.context = context;
    this.group = group;
    this.resources = resources;
    memory = resources.add(new CudaMemory(context.gpu, context.wait.bound()));
    receiveEvents = resources.add(new WindowEvents(context.comm, context.receive.size()));
    outputEvents = resources.add(new WindowEvents(context.comm, context.output.size()));
    layouts = resources.add(new CudaLayouts(context, memory, group.localSize()));
    standIn = new CudaStandIn(context, resources);
    dispatches = new CudaDispatch(context, receiveEvents);
    outputs = new CudaOutputs(context, outputEvents);
    combines = new CudaCombine(context, outputs);
    lowLatency =
        context.geometry.lowLatency == null ? null : new CudaLowLatency(context, resources);
  }

  @Override
  public String engine() {
    return CudaEngine.NAME;
  }

  @Override
  public EngineMemory memory() {
    return memory;
  }

  @Override
  public ExecutionStream commStream() {
    return context.comm;
  }

  @Override
  public String transport() {
    return context.links.kind().transport();
  }

  @Override
  public CallTimer timer() {
    return new CudaTimer(context);
  }

  @Override
  public void check() {
    layouts.check();
    context.log.throwUnclaimed();
  }

  @Override
  public void barrier() {
    context.health.checkUsable();
    Ticket begun = context.begin();
    context.launcher(Kernel.SYNC_RANKS).putReporting(begun);
    context.run(Kernel.SYNC_RANKS, 1, 0);
  }

  @Override
  public void onOwnStream(Runnable work) {
    try (CudaStream stream = CudaStream.create(context.gpu.gpu().ordinal());
        CudaStream.Current _ = stream.makeCurrent()) {
      work.run();
    }
    check();
  }

  @Override
  public RecordedCalls record(Runnable work) {
    return CudaRecording.of(work);
  }

  @Override
  public void compute(StandInWork.Extent extent, long steps) {
    standIn.compute(extent, steps);
  }

  @Override
  public void layout(Tensor topkIdx, Layout target) {
    layouts.layout(topkIdx, target);
  }

  @Override
  public void reserve(DispatchCall call) {
    layouts.check();
    dispatches.reserve(call);
  }

  @Override
  public void withdraw(DispatchCall call) {
    context.receive.withdraw(call.window);
  }

  @Override
  public void enter(DispatchCall call) {
    try {
      dispatches.enter(call);
    } catch (RuntimeException | Error e) {
      tellPeers(e);
      throw e;
    }
  }

  @Override
  public void place(DispatchCall call) {
    try {
      dispatches.place(call);
    } catch (RuntimeException | Error e) {
      tellPeers(e);
      throw e;
    }
  }

  @Override
  public void reserve(CombineCall call) {
    combines.reserve(call);
  }

  @Override
  public void withdraw(CombineCall call) {
    if (call.window >= 0) {
      context.output.withdraw(call.window);
    }
  }

  @Override
  public void combine(CombineCall call) {
    try {
      combines.combine(call);
    } catch (RuntimeException | Error e) {
      tellPeers(e);
      throw e;
    }
  }

  /// What a call throws on purpose left every rank in order, or was published by whoever threw it.
  /// Anything else would leave peers waiting: they are told.
  private void tellPeers(Throwable failure) {
    if (!isOnPurpose(failure) && !context.health.isAborted()) {
      try {
        context.health.abort("call failed: rank=" + context.rank + ", cause=" + failure);
      } catch (RuntimeException e) {
        failure.addSuppressed(e);
      }
    }
  }

  /// Verdicts have a type of their own; memory that is exhausted and what is late have not: who
  /// gave up because of a wait told the peers, but a handle may throw again what its call failed
  /// with before a reset.
  static boolean isOnPurpose(Throwable failure) {
    return failure instanceof CrossdockException
        && failure.getClass() != CrossdockException.class
        && !(failure instanceof GpuTimeoutException)
        && !(failure instanceof WaitTimeoutException);
  }

  @Override
  public void refuse(String reason) {
    context.health.checkUsable();
    context.refuse(reason);
  }

  @Override
  public OutputPlace lendOutput(HandleData handle) {
    context.health.checkUsable();
    long rows = handle.worstRows > 0 ? handle.worstRows : handle.numRecvRows();
    if (rows > context.geometry.rows) {
      throw Failures.outputsExceedWindow(rows, context.geometry.rows);
    }
    return outputs.lend(handle.topk);
  }

  @Override
  public void endOutputLease(int window, long ticket) {
    endLease(context.output, outputEvents, window, ticket);
  }

  @Override
  public void endLease(int window, long ticket) {
    endLease(context.receive, receiveEvents, window, ticket);
  }

  /// What closes a result again must not take the place of who used the window.
  private void endLease(WindowSet windows, WindowEvents events, int window, long ticket) {
    if (!closed.get()) {
      if (windows.isLeased(window, ticket)) {
        events.noteRelease(window);
      }
      windows.endLease(window, ticket);
    }
  }

  @Override
  public LowLatencySession lowLatency() {
    return lowLatency == null ? EngineSession.super.lowLatency() : lowLatency;
  }

  @Override
  public HandleData newHandle() {
    return new CudaHandleData(
        context.rank, context.numRanks, context.blocks, context.control, context.wait);
  }

  @Override
  public long windowBytes(Domain domain) {
    return domain == Domain.SCALE_UP ? context.geometry.byteSize : 0;
  }

  @Override
  public CallStats lastCall() {
    return context.stats.snapshot();
  }

  @Override
  public void abort(String reason) {
    context.health.abort(reason);
  }

  /// Kernels of the old epochs are over on all ranks before the first barrier, and nobody begins a
  /// new one before the last.
  @Override
  public void reset() {
    context.comm.close();
    long generation = lowLatency == null ? 0 : lowLatency.generation();
    ByteBuffer mine = ByteBuffer.allocate(2 * Long.BYTES);
    mine.putLong(context.local.epoch(context.control)).putLong(generation);
    long highest = 0;
    for (byte[] bytes : group.allGather(mine.array())) {
      ByteBuffer theirs = ByteBuffer.wrap(bytes);
      highest = Math.max(highest, theirs.getLong());
      generation = Math.max(generation, theirs.getLong());
    }
    long start = ProtocolState.restart(highest);
    context.restart(start);
    if (lowLatency != null) {
      lowLatency.reset(generation + 1);
    }
    group.barrier();
    context.log.reset();
    context.health.reset();
    context.receive.clear();
    context.output.clear();
  }

  @Override
  public void close() {
    if (!closed.compareAndSet(false, true)) {
      return;
    }
    try (resources) {
      try {
        leave();
      } finally {
        keepWhatIsUsed();
      }
    }
  }

  private void leave() {
    if (!context.health.isAborted()) {
      context.control.publishLeaving();
    }
    awaitPeers();
  }

  /// Memory that a kernel may still touch is never freed. Peers know by now that this rank leaves,
  /// so kernels that wait for them, also those of graphs on other streams, end soon. Freeing plain
  /// memory waits for callers' streams by itself, unmapping does not.
  private void keepWhatIsUsed() {
    long start = System.nanoTime();
    try {
      context.comm.driver().drain(context.wait.bound());
      if (context.log.hasCaptured() || context.links.kind() == WindowKind.FABRIC) {
        context.gpu.memory().drainStreams(context.wait.bound());
      }
    } catch (GpuTimeoutException e) {
      resources.abandon();
      throw stillWorks(e, System.nanoTime() - start);
    } catch (NativeCallException e) {
      // The context is lost, and with it all that ran. Closing tells the same.
      context.health.noteAbort(context.rank, e.getMessage());
    }
  }

  /// What works may also be a graph, which is no call that was counted.
  private WaitTimeoutException stillWorks(GpuTimeoutException cause, long waitedNanos) {
    WaitTimeoutException late =
        new WaitTimeoutException(
            "GPU still works for a closed buffer, whose memory is kept",
            new WaitTimeoutException.Facts(
                context.rank, "CLOSE", context.log.issued(), context.log.reported(), waitedNanos));
    late.initCause(cause);
    return late;
  }

  /// Peers in other processes read this rank's memory until they leave too.
  private void awaitPeers() {
    long deadline = System.nanoTime() + Math.min(LEAVE_NANOS, context.spec.hostTimeout().toNanos());
    for (int peer = 0; peer < context.numRanks; peer++) {
      while (!context.links.isSameProcess(peer)
          && context.links.isAlive(peer)
          && !context.control.hasLeft(peer)
          && System.nanoTime() < deadline) {
        LockSupport.parkNanos(LEAVE_PAUSE_NANOS);
      }
    }
  }
}
