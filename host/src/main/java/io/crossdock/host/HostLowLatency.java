package io.crossdock.host;

import io.crossdock.core.BareCosts;
import io.crossdock.core.InvalidInputException;
import io.crossdock.core.LeaseException;
import io.crossdock.core.protocol.LowLatencyHandleData;
import io.crossdock.core.protocol.LowLatencyKind;
import io.crossdock.core.protocol.LowLatencyState;
import io.crossdock.core.protocol.LowLatencyTerms;
import io.crossdock.core.protocol.Rejoin;
import io.crossdock.core.spi.LowLatencyCombineCall;
import io.crossdock.core.spi.LowLatencyDispatchCall;
import io.crossdock.core.spi.LowLatencySession;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.time.Duration;

/// Low-latency mode of one rank on the host engine.
///
/// Confined to one call at a time, as [LowLatencySession] says.
final class HostLowLatency implements LowLatencySession {
  private final LowLatencyContext context;
  private final ResultAreas areas;
  private final LowLatencyDispatch dispatches;
  private final LowLatencyCombine combines;
  private final Rejoin rejoin;
  private final BareParts bare;

  /// @param networks null on one node
  HostLowLatency(HostContext host, Arena arena, Networks networks) {
    context = new LowLatencyContext(host, networks == null ? null : networks.lowLatency());
    areas = new ResultAreas(context, arena);
    LowLatencyKernels kernels = LowLatencyKernels.pick(context.hidden);
    dispatches = new LowLatencyDispatch(context, kernels.cast());
    combines = new LowLatencyCombine(context, kernels);
    bare = new BareParts(context, kernels.cast());
    rejoin = new Rejoin(context.rank, context.numRanks);
  }

  @Override
  public void reserve(LowLatencyDispatchCall call) {
    context.host.checkUsable();
    areas.claim(call);
  }

  @Override
  public void reserve(LowLatencyCombineCall call) {
    context.host.checkUsable();
    if (!call.zeroCopy) {
      return;
    }
    long place = areas.outputs(call.handle).address();
    if (call.y.segment().address() != place) {
      throw new InvalidInputException(
          "zeroCopy needs the combine buffer of the handle: rank="
              + context.rank
              + ", epoch="
              + call.handle.epoch
              + ", remedy=nextCombineBuffer");
    }
  }

  @Override
  public void send(LowLatencyDispatchCall call) {
    orTellPeers(() -> dispatches.send(call));
  }

  @Override
  public void receive(LowLatencyDispatchCall call) {
    orTellPeers(() -> dispatches.receive(call));
  }

  @Override
  public void send(LowLatencyCombineCall call) {
    orTellPeers(() -> combines.send(call));
  }

  @Override
  public void receive(LowLatencyCombineCall call) {
    orTellPeers(() -> combines.receive(call));
  }

  private void orTellPeers(Runnable half) {
    try {
      half.run();
    } catch (RuntimeException | Error e) {
      context.host.tellPeers(e);
      throw e;
    }
  }

  @Override
  public void refuse(String reason) {
    context.refuse(reason);
  }

  @Override
  public MemorySegment combineBuffer(LowLatencyHandleData handle) {
    context.host.checkUsable();
    return areas.outputs(handle);
  }

  @Override
  public void endResult(int area, long ticket) {
    areas.end(area, ticket);
  }

  @Override
  public LowLatencyHandleData newHandle() {
    return new HostLowLatencyHandle(context.numRanks);
  }

  @Override
  public void clean() {
    context.host.checkUsable();
    LowLatencyState state = context.state;
    if (state.completed() != state.epoch()) {
      throw new LeaseException(
          "a hook of an earlier call did not run: rank="
              + context.rank
              + ", epoch="
              + (state.completed() + 1)
              + ", remedy=run it before cleanLowLatencyBuffer");
    }
    long epoch = context.begin();
    LowLatencyTerms terms = context.terms(epoch);
    terms.kind = LowLatencyKind.CLEAN;
    terms.format = 0;
    terms.numExperts = 0;
    terms.numMaxTokens = 0;
    terms.handleEpoch = 0;
    context.publishFlags(epoch, null);
    context.receive(epoch, () -> context.awaitFlags(epoch));
  }

  @Override
  public void mask(int peer) {
    if (peer == context.rank) {
      throw new InvalidInputException("a rank cannot mask itself: rank=" + peer);
    }
    context.waiter.mask(peer);
  }

  @Override
  public BareCosts bareCosts(int rounds) {
    context.host.checkUsable();
    return bare.measure(rounds);
  }

  @Override
  public boolean[] masks() {
    boolean[] masks = new boolean[context.numRanks];
    for (int peer = 0; peer < masks.length; peer++) {
      masks[peer] = peer != context.rank && context.board.masks(context.rank, peer);
    }
    return masks;
  }

  @Override
  public void rejoin(boolean[] returning) {
    context.host.checkUsable();
    boolean[] absent = masks();
    for (int peer = 0; peer < absent.length; peer++) {
      absent[peer] &= !returning[peer];
    }
    long mine = LowLatencyState.generation(context.state.epoch());
    try {
      context.board.publishKnock(rejoin.begin(mine, absent), mine);
      context.waiter.awaitKnocks(rejoin);
      acknowledge();
      context.waiter.awaitAcks(rejoin, this::acknowledge);
      restart(rejoin.end(), rejoin.absent());
    } finally {
      context.board.publishKnock(0, mine);
    }
  }

  /// Tells peers that nothing will follow in this mode.
  void leave() {
    context.board.publishLeft();
  }

  /// Nothing of the calls that were given up may arrive later on.
  ///
  /// @param mark above all used
  /// @param bound how long each rank may take
  void drain(long mark, Duration bound) {
    context.board.publishDrained(mark);
    for (int peer = 0; peer < context.numRanks; peer++) {
      if (!context.lanes.isNear(peer)) {
        context.host.waiter.awaitDrained(peer, context.layout.drained, mark, bound);
      }
    }
  }

  /// A rank that was acknowledged may send at once, and must not find that it is masked.
  private void acknowledge() {
    context.board.publishMask(context.rank, false);
    for (int peer = 0; peer < context.numRanks; peer++) {
      long knock = rejoin.knockOf(peer);
      if (knock != 0) {
        context.board.publishMask(peer, false);
        long own = rejoin.knockOf(context.rank);
        context.board.publishAck(peer, knock, own, rejoin.proposes());
      }
    }
  }

  private void restart(long generation, boolean[] absent) {
    context.state.restart(generation, absent);
    for (int peer = 0; peer < absent.length; peer++) {
      context.board.publishMask(peer, absent[peer]);
    }
    context.board.publishCompleted(context.state.completed());
  }

  /// {@return the generation to be known by all before [#reset]}
  long generation() {
    return LowLatencyState.generation(context.state.epoch());
  }

  /// Starts anew after an abort, with all ranks living.
  ///
  /// @param generation above all used, equal on all ranks
  void reset(long generation) {
    areas.clear();
    restart(generation, new boolean[context.numRanks]);
  }
}
