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
      ordering.previousEvent().ifPresent(EventOverlap::currentStreamWait);
      if (!stream.isIdle()) {
        stream.capture().currentStreamWait();
      }
      allocate();
      buffer.session().combine(call);
      return result(EventOverlap.COMPLETED);
    }
    if (ordering.allocationStream() == AllocationStream.COMM_STREAM) {
      stream.submit(this::awaitAndAllocate).currentStreamWait();
      return result(stream.submit(() -> buffer.session().combine(call)));
    }
    allocate();
    return result(stream.submit(this::awaitAndCombine));
  }

  private void awaitAndAllocate() {
    options.call().previousEvent().ifPresent(EventOverlap::currentStreamWait);
    allocate();
  }

  private void awaitAndCombine() {
    options.call().previousEvent().ifPresent(EventOverlap::currentStreamWait);
    buffer.session().combine(call);
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
