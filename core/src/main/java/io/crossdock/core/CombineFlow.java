package io.crossdock.core;

import io.crossdock.core.spi.CombineCall;
import java.lang.foreign.Arena;
import java.lang.foreign.SegmentAllocator;
import java.util.Optional;

/// Runs one admitted combine, on the caller's thread or on the communication stream.
///
/// Confined to the thread that uses the buffer.
final class CombineFlow {
  private final EpBuffer buffer;
  private final CombineCall call;
  private final CombineOptions options;

  CombineFlow(EpBuffer buffer, CombineCall call, CombineOptions options) {
    this.buffer = buffer;
    this.call = call;
    this.options = options;
  }

  CombineResult run() {
    ExecutionStream stream = buffer.commStream();
    CallOptions ordering = options.call();
    if (ordering.completion() == Completion.SYNCHRONOUS) {
      prepare();
      buffer.session().combine(call);
      return result(EventOverlap.COMPLETED);
    }
    if (ordering.allocationStream() == AllocationStream.COMM_STREAM) {
      stream.submit(this::prepare).currentStreamWait();
      return result(stream.submit(() -> buffer.session().combine(call)));
    }
    orRefuse(this::allocate);
    return result(
        stream.submit(() -> {
          orRefuse(this::awaitPrevious);
          buffer.session().combine(call);
        }));
  }

  private void prepare() {
    orRefuse(() -> {
      awaitPrevious();
      allocate();
    });
  }

  /// Runs what precedes the epoch. If it fails, the call will not be entered: its window is given
  /// back and the peers are told.
  private void orRefuse(Runnable step) {
    try {
      step.run();
    } catch (RuntimeException | Error e) {
      buffer.session().withdraw(call);
      buffer.refuse(e);
      throw e;
    }
  }

  private void awaitPrevious() {
    options.call().previousEvent().ifPresent(EventOverlap::currentStreamWait);
    buffer.awaitCommStream();
  }

  private void allocate() {
    SegmentAllocator allocator = options.allocator().orElseGet(Arena::ofAuto);
    long tokens = call.handle.plan.numTokens();
    call.combinedX = Tensor.allocate(allocator, DType.BF16, tokens, call.y.size(1));
    if (call.topkWeights != null) {
      call.combinedTopkWeights = Tensor.allocate(allocator, DType.F32, tokens, call.handle.topk);
    }
  }

  private CombineResult result(EventOverlap event) {
    return new CombineResult(call.combinedX, Optional.ofNullable(call.combinedTopkWeights), event);
  }
}
