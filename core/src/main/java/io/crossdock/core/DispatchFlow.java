package io.crossdock.core;

import io.crossdock.core.spi.DispatchCall;
import io.crossdock.core.spi.EngineSession;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SegmentAllocator;
import java.util.Optional;

/// Runs admitted dispatches, one after the other, and wraps their outputs. A flow of synchronous
/// calls is used again.
///
/// Confined to the thread that uses the buffer.
final class DispatchFlow extends CallFlow {
  private final DispatchCall call;
  private final Device device;
  private final Runnable awaiting = this::awaitPrevious;
  private final Runnable wholeCall = this::enterAndPlace;
  private DispatchOptions options;
  private DispatchResult.Outputs made;

  /// Null while nobody records calls.
  private CallEvent event;

  DispatchFlow(EpBuffer buffer, DispatchCall call) {
    super(buffer);
    this.call = call;
    this.device = session.memory().device();
  }

  DispatchCall call() {
    return call;
  }

  /// Runs a dispatch into outputs that the call knows already; allocates nothing.
  void runInto(DispatchOptions chosen) {
    start(chosen.call());
    execute(wholeCall);
  }

  DispatchResult run(DispatchOptions chosen) {
    options = chosen;
    start(chosen.call());
    if (isAsync()) {
      return runAsync();
    }
    execute(() -> {
      enterAndAllocate();
      place();
    });
    return wrap(EventOverlap.COMPLETED, EventOverlap.COMPLETED);
  }

  private DispatchResult runAsync() {
    boolean sizesKnown = call.cached || call.numWorstTokens > 0;
    if (sizesKnown && !allocatesOnCommStream()) {
      orWithdraw(() -> made = outputs());
      EventOverlap event = submit(wholeCall);
      return wrap(call.cached ? EventOverlap.COMPLETED : event, event);
    }
    submit(this::enterAndAllocate).currentStreamWait();
    EventOverlap event = stream.submit(this::place);
    return wrap(EventOverlap.COMPLETED, event);
  }

  private void enterAndPlace() {
    enter();
    place();
  }

  private void enterAndAllocate() {
    enter();
    made = outputsOrAbort();
  }

  private void enter() {
    orWithdraw(awaiting);
    entering();
    event = newEvent();
    try {
      session.enter(call);
    } catch (RuntimeException | Error e) {
      events.end(event, 0, e);
      throw e;
    }
  }

  private void place() {
    try {
      session.place(call);
    } catch (RuntimeException | Error e) {
      events.end(event, 0, e);
      throw e;
    }
    events.end(event, call.numRecvRows, null);
  }

  @Override
  CallEvent newEvent() {
    return events.dispatch(Mode.NORMAL);
  }

  @Override
  void giveBack() {
    session.withdraw(call);
  }

  /// Once entered, peers place rows for this rank: failing to make room is the end of the buffer.
  private DispatchResult.Outputs outputsOrAbort() {
    try {
      return outputs();
    } catch (RuntimeException | OutOfMemoryError e) {
      session.abort("outputs could not be allocated: cause=" + e);
      events.end(event, 0, e);
      throw e;
    }
  }

  private DispatchResult wrap(EventOverlap counted, EventOverlap event) {
    int window = call.window;
    EventOverlap sources = call.cached ? EventOverlap.COMPLETED : event;
    DispatchHandle handle = new DispatchHandle(buffer, call.handle, counted, sources);
    EngineSession owner = session;
    long ticket = call.ticket;
    Runnable lease = call.owned ? () -> {} : () -> owner.endLease(window, ticket);
    DispatchResult result = new DispatchResult(made, handle, event, lease);
    made = null;
    return result;
  }

  private long rows() {
    return call.numWorstTokens > 0 ? call.numWorstTokens : call.handle.numRecvRows();
  }

  private DispatchResult.Outputs outputs() {
    if (options.placement() instanceof Placement.Owned(SegmentAllocator allocator)) {
      allocateOwned(allocator);
    }
    long rows = rows();
    Tensor x = Tensor.of(device, call.recvRows, call.x.dtype(), rows, call.x.size(1));
    return new DispatchResult.Outputs(
        x,
        view(call.scales, call.recvScales, rows),
        view(call.topkIdx, call.recvTopkIdx, rows),
        view(call.topkWeights, call.recvTopkWeights, rows));
  }

  private void allocateOwned(SegmentAllocator allocator) {
    long rows = rows();
    call.recvRows = allocate(allocator, call.x, rows);
    call.recvScales = allocate(allocator, call.scales, rows);
    call.recvTopkIdx = allocate(allocator, call.topkIdx, rows);
    call.recvTopkWeights = allocate(allocator, call.topkWeights, rows);
  }

  private static MemorySegment allocate(SegmentAllocator allocator, Tensor like, long rows) {
    return like == null
        ? null
        : Tensor.allocate(allocator, like.dtype(), rows, like.size(1)).segment();
  }

  private Optional<Tensor> view(Tensor like, MemorySegment memory, long rows) {
    return like == null
        ? Optional.empty()
        : Optional.of(Tensor.of(device, memory, like.dtype(), rows, like.size(1)));
  }
}
