package io.crossdock.host;

import io.crossdock.core.CallStats;
import io.crossdock.core.CallTimer;
import io.crossdock.core.Domain;
import io.crossdock.core.EngineMemory;
import io.crossdock.core.ExecutionStream;
import io.crossdock.core.Layout;
import io.crossdock.core.NetworkCosts;
import io.crossdock.core.NetworkLoad;
import io.crossdock.core.Tensor;
import io.crossdock.core.group.ProcessGroup;
import io.crossdock.core.protocol.Failures;
import io.crossdock.core.protocol.HandleData;
import io.crossdock.core.protocol.PeerState;
import io.crossdock.core.protocol.ProtocolState;
import io.crossdock.core.protocol.SendPlan;
import io.crossdock.core.spi.CombineCall;
import io.crossdock.core.spi.DispatchCall;
import io.crossdock.core.spi.EngineSession;
import io.crossdock.core.spi.LowLatencySession;
import io.crossdock.core.spi.OutputPlace;
import java.nio.ByteBuffer;
import java.util.concurrent.atomic.AtomicBoolean;

/// One rank's side of a buffer on the host engine.
///
/// Confined to one call at a time, as [EngineSession] says.
final class HostSession implements EngineSession {
  private final HostContext context;
  private final ProcessGroup group;
  private final Holdings holdings;

  /// Null on one node.
  private final Networks networks;

  private final ExecutionStream stream;
  private final DispatchRunner dispatches;
  private final OutputWindows outputs;
  private final CombineRunner combines;

  /// Null on one node.
  private final NetworkProbe probe;

  /// Null in a buffer for normal mode alone.
  private final HostLowLatency lowLatency;

  /// For layouts alone: a dispatch in flight still needs the choices in the context's planner.
  private final RoutePlanner layoutPlanner;

  private final SendPlan layoutPlan = new SendPlan();
  private final AtomicBoolean closed = new AtomicBoolean();

  HostSession(HostContext context, ProcessGroup group, Holdings holdings) {
    this.networks = holdings.networks();
    this.context = context;
    this.group = group;
    this.holdings = holdings;
    this.stream = ExecutionStream.create("comm-" + context.rank);
    this.dispatches = new DispatchRunner(context);
    this.probe = networks == null ? null : new NetworkProbe(context);
    this.layoutPlanner = new RoutePlanner(context.numRanks);
    this.outputs = new OutputWindows(context);
    this.combines = new CombineRunner(context, outputs, SumKernel.pick());
    this.lowLatency =
        context.layout.lowLatency == null
            ? null
            : new HostLowLatency(context, holdings.arena(), networks);
  }

  @Override
  public String engine() {
    return HostEngine.NAME;
  }

  @Override
  public EngineMemory memory() {
    return HostMemory.INSTANCE;
  }

  @Override
  public ExecutionStream commStream() {
    return stream;
  }

  @Override
  public String transport() {
    return networks == null ? "shm" : "shm, " + networks.description();
  }

  @Override
  public CallTimer timer() {
    return new HostTimer();
  }

  @Override
  public void check() {
    // A call throws what it failed with, or its event does.
  }

  @Override
  public void barrier() {
    context.checkUsable();
    group.barrier();
  }

  @Override
  public NetworkCosts networkCosts(NetworkLoad load) {
    if (networks == null) {
      return EngineSession.super.networkCosts(load);
    }
    context.checkUsable();
    return probe.measure(load);
  }

  @Override
  public void layout(Tensor topkIdx, Layout target) {
    layoutPlanner.plan(topkIdx, target.numExperts(), layoutPlan);
    layoutPlanner.fillLayout(layoutPlan, target, group.localSize());
  }

  @Override
  public void reserve(DispatchCall call) {
    dispatches.reserve(call);
  }

  @Override
  public void withdraw(DispatchCall call) {
    context.protocol.receive().withdraw(call.window);
  }

  @Override
  public void enter(DispatchCall call) {
    try {
      context.waiter.times().startCall();
      context.checkUsable();
      dispatches.enter(call);
    } catch (RuntimeException | Error e) {
      context.tellPeers(e);
      throw e;
    }
  }

  @Override
  public void place(DispatchCall call) {
    try {
      dispatches.place(call);
    } catch (RuntimeException | Error e) {
      context.tellPeers(e);
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
      context.protocol.output().withdraw(call.window);
    }
  }

  @Override
  public void combine(CombineCall call) {
    try {
      context.waiter.times().startCall();
      context.checkUsable();
      combines.combine(call);
    } catch (RuntimeException | Error e) {
      context.tellPeers(e);
      throw e;
    }
  }

  @Override
  public void refuse(String reason) {
    context.checkUsable();
    context.mine().refuse(reason);
    context.publish();
  }

  @Override
  public OutputPlace lendOutput(HandleData handle) {
    context.checkUsable();
    long rows = Math.max(handle.numRecvRows(), handle.worstRows);
    if (rows > context.layout.rows) {
      throw Failures.outputsExceedWindow(rows, context.layout.rows);
    }
    return outputs.lend(handle.topk);
  }

  @Override
  public void endOutputLease(int window, long ticket) {
    context.protocol.output().endLease(window, ticket);
  }

  @Override
  public void endLease(int window, long ticket) {
    context.protocol.receive().endLease(window, ticket);
  }

  @Override
  public LowLatencySession lowLatency() {
    return lowLatency == null ? EngineSession.super.lowLatency() : lowLatency;
  }

  @Override
  public HandleData newHandle() {
    return new HandleData(context.place);
  }

  @Override
  public long windowBytes(Domain domain) {
    long far = context.layout.nodes == null ? 0 : context.layout.nodes.byteSize;
    return domain == Domain.SCALE_UP ? context.layout.byteSize - far : far;
  }

  @Override
  public CallStats lastCall() {
    return context.stats.snapshot();
  }

  @Override
  public long[] lastWaits() {
    return context.waiter.times().ofCall();
  }

  @Override
  public void abort(String reason) {
    context.board.publishState(PeerState.ABORTED, reason);
  }

  @Override
  public void reset() {
    long generation = lowLatency == null ? 0 : lowLatency.generation();
    long lost = networks != null && networks.hasLost() ? 1 : 0;
    ByteBuffer mine = ByteBuffer.allocate(3 * Long.BYTES);
    mine.putLong(context.protocol.epoch()).putLong(generation).putLong(lost);
    long highest = 0;
    for (byte[] bytes : group.allGather(mine.array())) {
      ByteBuffer theirs = ByteBuffer.wrap(bytes);
      highest = Math.max(highest, theirs.getLong());
      generation = Math.max(generation, theirs.getLong());
      lost = Math.max(lost, theirs.getLong());
    }
    if (lost != 0) {
      reconnect();
    }
    long start = ProtocolState.restart(highest);
    context.board.publishState(PeerState.RUNNING, "");
    context.board.publishFinished(start);
    context.board.publishPulled(start);
    if (lowLatency != null) {
      lowLatency.reset(generation + 1);
    }
    if (networks != null) {
      drain(start);
      probe.reset(start);
    }
    group.barrier();
    context.protocol.reset(start);
  }

  /// Where that fails there is no network to make a call over: the buffer is aborted, if it was
  /// not.
  private void reconnect() {
    try {
      networks.reopen();
    } catch (RuntimeException | Error e) {
      if (context.board.state(context.rank) == PeerState.RUNNING) {
        abort("reset failed: rank=" + context.rank + ", cause=" + e.getMessage());
      }
      throw e;
    }
  }

  /// Nothing of the calls that were given up may arrive later on. All ranks wait here as long as in
  /// any other step that the group takes together.
  private void drain(long mark) {
    context.board.publishDrained(mark);
    for (int peer = 0; peer < context.numRanks; peer++) {
      if (!context.place.isNear(peer)) {
        context.waiter.awaitDrained(peer, context.layout.drained, mark, group.timeout());
      }
    }
    if (lowLatency != null) {
      lowLatency.drain(mark, group.timeout());
    }
  }

  @Override
  public void close() {
    if (!closed.compareAndSet(false, true)) {
      return;
    }
    try (holdings) {
      try {
        leave();
      } finally {
        context.pool.close();
      }
      if (networks != null) {
        networks.linger(context.board);
      }
    }
  }

  private void leave() {
    if (context.board.state(context.rank) == PeerState.RUNNING) {
      context.board.publishState(PeerState.LEAVING, "");
      if (lowLatency != null) {
        lowLatency.leave();
      }
    }
  }
}
