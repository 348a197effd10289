package io.crossdock.core;

import io.crossdock.core.spi.CombineCall;
import java.lang.foreign.SegmentAllocator;
import java.util.Optional;

/// Runs admitted combines, one after the other. A flow of synchronous calls is used again.
///
/// Confined to the thread that uses the buffer.
final class CombineFlow extends CallFlow {
  private final CombineCall call;
  private final Runnable awaiting = this::awaitPrevious;
  private final Runnable wholeCall = this::awaitAndCombine;
  private CombineOptions options;

  CombineFlow(EpBuffer buffer, CombineCall call) {
    super(buffer);
    this.call = call;
  }

  CombineCall call() {
    return call;
  }

  /// Runs a combine into outputs that the call knows already; allocates nothing.
  void runInto(CombineOptions chosen) {
    start(chosen.call());
    execute(wholeCall);
  }

  CombineResult run(CombineOptions chosen) {
    options = chosen;
    start(chosen.call());
    if (!isAsync()) {
      execute(() -> {
        prepare();
        combine();
      });
      return result(EventOverlap.COMPLETED);
    }
    if (allocatesOnCommStream()) {
      submit(this::prepare).currentStreamWait();
      return result(stream.submit(this::combine));
    }
    orWithdraw(this::allocate);
    return result(submit(wholeCall));
  }

  private void awaitAndCombine() {
    orWithdraw(awaiting);
    combine();
  }

  private void prepare() {
    orWithdraw(awaiting);
    orWithdraw(this::allocate);
  }

  private void combine() {
    entering();
    CallEvent event = newEvent();
    try {
      session.combine(call);
    } catch (RuntimeException | Error e) {
      events.end(event, 0, e);
      throw e;
    }
    events.end(event, event == null ? 0 : call.handle.numTokens(), null);
  }

  @Override
  CallEvent newEvent() {
    return events.combine(Mode.NORMAL);
  }

  @Override
  void giveBack() {
    session.withdraw(call);
  }

  private void allocate() {
    SegmentAllocator allocator = options.allocator().orElseGet(session.memory()::allocator);
    long tokens = call.handle.numTokens();
    call.combinedX = Tensor.allocate(allocator, DType.BF16, tokens, call.y.size(1));
    if (call.topkWeights != null) {
      call.combinedTopkWeights = Tensor.allocate(allocator, DType.F32, tokens, call.handle.topk);
    }
  }

  private CombineResult result(EventOverlap event) {
    return new CombineResult(call.combinedX, Optional.ofNullable(call.combinedTopkWeights), event);
  }
}
