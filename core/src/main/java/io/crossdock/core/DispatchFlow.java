package io.crossdock.core;

import io.crossdock.core.spi.DispatchCall;
import io.crossdock.core.spi.EngineSession;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SegmentAllocator;
import java.util.Optional;

/// Runs one admitted dispatch, on the caller's thread or on the communication stream, and wraps its
/// outputs.
///
/// Confined to the thread that uses the buffer.
final class DispatchFlow {
  private final EpBuffer buffer;
  private final EngineSession session;
  private final DispatchCall call;
  private final DispatchOptions options;

  DispatchFlow(EpBuffer buffer, DispatchCall call, DispatchOptions options) {
    this.buffer = buffer;
    this.session = buffer.session();
    this.call = call;
    this.options = options;
  }

  DispatchResult run() {
    ExecutionStream stream = buffer.commStream();
    if (options.call().completion() == Completion.ASYNC_FINISH) {
      return runAsync(stream);
    }
    awaitPrevious();
    session.enter(call);
    DispatchResult.Outputs outputs = outputsOrAbort();
    session.place(call);
    return wrap(outputs, EventOverlap.COMPLETED, EventOverlap.COMPLETED);
  }

  private DispatchResult runAsync(ExecutionStream stream) {
    boolean sizesKnown = call.cached || call.numWorstTokens > 0;
    if (sizesKnown && options.call().allocationStream() == AllocationStream.CALLER) {
      DispatchResult.Outputs outputs = outputsOrRefuse();
      EventOverlap event = stream.submit(this::enterAndPlace);
      return wrap(outputs, call.cached ? EventOverlap.COMPLETED : event, event);
    }
    DispatchResult.Outputs[] made = new DispatchResult.Outputs[1];
    stream.submit(() -> made[0] = enterAndAllocate()).currentStreamWait();
    EventOverlap event = stream.submit(() -> session.place(call));
    return wrap(made[0], EventOverlap.COMPLETED, event);
  }

  private void enterAndPlace() {
    awaitPrevious();
    session.enter(call);
    session.place(call);
  }

  private DispatchResult.Outputs enterAndAllocate() {
    awaitPrevious();
    session.enter(call);
    return outputsOrAbort();
  }

  private DispatchResult.Outputs outputsOrRefuse() {
    try {
      return outputs();
    } catch (RuntimeException | OutOfMemoryError e) {
      withdraw(e);
      throw e;
    }
  }

  /// Once entered, peers place rows for this rank: failing to make room is the end of the buffer.
  private DispatchResult.Outputs outputsOrAbort() {
    try {
      return outputs();
    } catch (RuntimeException | OutOfMemoryError e) {
      session.abort("outputs could not be allocated: cause=" + e);
      throw e;
    }
  }

  private void awaitPrevious() {
    try {
      options.call().previousEvent().ifPresent(EventOverlap::currentStreamWait);
      buffer.awaitCommStream();
    } catch (RuntimeException | Error e) {
      withdraw(e);
      throw e;
    }
  }

  /// The call will not be entered: its window is given back and the peers are told.
  private void withdraw(Throwable cause) {
    session.withdraw(call);
    buffer.refuse(cause);
  }

  private DispatchResult wrap(
      DispatchResult.Outputs outputs, EventOverlap counted, EventOverlap event) {
    int window = call.window;
    EventOverlap sources = call.cached ? EventOverlap.COMPLETED : event;
    DispatchHandle handle = new DispatchHandle(buffer, call.handle, counted, sources);
    EngineSession owner = session;
    long ticket = call.ticket;
    Runnable lease = call.owned ? () -> {} : () -> owner.endLease(window, ticket);
    return new DispatchResult(outputs, handle, event, lease);
  }

  private long rows() {
    return call.numWorstTokens > 0 ? call.numWorstTokens : call.handle.numRecvRows();
  }

  private DispatchResult.Outputs outputs() {
    if (options.placement() instanceof Placement.Owned(SegmentAllocator allocator)) {
      allocateOwned(allocator);
    }
    long rows = rows();
    Tensor x = Tensor.of(call.recvRows, call.x.dtype(), rows, call.x.size(1));
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

  private static Optional<Tensor> view(Tensor like, MemorySegment memory, long rows) {
    return like == null
        ? Optional.empty()
        : Optional.of(Tensor.of(memory, like.dtype(), rows, like.size(1)));
  }
}
