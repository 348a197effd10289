package io.crossdock.core;

import io.crossdock.core.protocol.HandleData;
import io.crossdock.core.spi.CombineCall;
import io.crossdock.core.spi.DispatchCall;
import io.crossdock.core.spi.EngineSession;
import io.crossdock.core.spi.OutputPlace;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SegmentAllocator;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.ConcurrentLinkedDeque;

/// The calls of normal mode: checks each, then lets its flow run it. A call that is wrong is
/// published as a refusal, so that no peer waits for it.
///
/// Confined to the thread that uses the buffer.
final class NormalCalls {
  private final EpBuffer buffer;
  private final BufferSpec spec;
  private final EngineSession session;
  private final ExecutionStream commStream;
  private final CallValidator validator;
  private final ConcurrentLinkedDeque<HandleData> spareHandles = new ConcurrentLinkedDeque<>();
  private final DispatchFlow syncDispatch;
  private final CombineFlow syncCombine;
  private DispatchConfig dispatchConfig;
  private CombineConfig combineConfig;

  NormalCalls(EpBuffer buffer, CallValidator validator) {
    this.buffer = buffer;
    this.spec = buffer.spec();
    this.session = buffer.session();
    this.commStream = session.commStream();
    this.validator = validator;
    this.syncDispatch = new DispatchFlow(buffer, new DispatchCall());
    this.syncCombine = new CombineFlow(buffer, new CombineCall());
    this.dispatchConfig = DispatchConfig.recommended(buffer.group().size());
    this.combineConfig = CombineConfig.recommended(buffer.group().size());
  }

  void setNumSms(int numSms) {
    dispatchConfig = dispatchConfig.withNumSms(numSms);
    combineConfig = combineConfig.withNumSms(numSms);
  }

  DispatchResult dispatch(DispatchInput input, Layout layout, DispatchOptions options) {
    DispatchFlow flow = dispatchFlow(options);
    DispatchCall call = flow.call();
    admit(
        flow,
        () -> {
          fill(call, input, options);
          call.layout = layout;
          call.handle = takeHandle();
          reserve(call);
        });
    return flow.run(options);
  }

  DispatchResult dispatch(DispatchInput input, DispatchHandle handle, DispatchOptions options) {
    DispatchFlow flow = dispatchFlow(options);
    DispatchCall call = flow.call();
    admit(
        flow,
        () -> {
          fill(call, input, options);
          call.cached = true;
          call.handle = Objects.requireNonNull(handle, "handle").data(buffer);
          call.numWorstTokens = Math.max(call.numWorstTokens, call.handle.worstRows);
          reserve(call);
        });
    return flow.run(options);
  }

  void dispatchInto(
      DispatchInput input, Layout layout, DispatchOptions options, DispatchOutputs outputs) {
    admitInto(input, layout, options, outputs);
    syncDispatch.runInto(options);
  }

  private DispatchFlow dispatchFlow(DispatchOptions options) {
    admit(syncDispatch, () -> Objects.requireNonNull(options, "options"));
    boolean async = options.call().completion() == Completion.ASYNC_FINISH;
    return async ? new DispatchFlow(buffer, new DispatchCall()) : syncDispatch;
  }

  private void fill(DispatchCall call, DispatchInput input, DispatchOptions options) {
    call.clear();
    call.x = Objects.requireNonNull(input, "input").x();
    call.scales = input.scales().orElse(null);
    call.topkIdx = input.topkIdx().orElse(null);
    call.topkWeights = input.topkWeights().orElse(null);
    call.config = options.config().orElse(dispatchConfig);
    if (options.placement() instanceof Placement.Owned(SegmentAllocator allocator)) {
      validator.allocator(allocator);
      call.owned = true;
    }
    call.expertAlignment = options.expertAlignment();
    call.numWorstTokens = options.numWorstTokens();
    call.outputRows = call.numWorstTokens > 0 ? call.numWorstTokens : Long.MAX_VALUE;
  }

  private void reserve(DispatchCall call) {
    validator.dispatch(call);
    session.reserve(call);
  }

  private void admitInto(
      DispatchInput input, Layout layout, DispatchOptions options, DispatchOutputs outputs) {
    DispatchCall call = syncDispatch.call();
    try {
      fill(call, input, Objects.requireNonNull(options, "options"));
      call.layout = layout;
      call.handle = Objects.requireNonNull(outputs, "outputs").handle().data(buffer);
      call.owned = true;
      call.outputRows = Math.min(call.outputRows, outputs.recvX().size(0));
      call.recvRows = outputs.recvX().segment();
      call.recvScales = memoryOf(outputs.recvScales());
      call.recvTopkIdx = memoryOf(outputs.recvTopkIdx());
      call.recvTopkWeights = memoryOf(outputs.recvTopkWeights());
      validator.dispatch(call);
      validator.dispatchOutputs(call, outputs);
      session.reserve(call);
    } catch (RuntimeException e) {
      syncDispatch.refuse(e);
      throw e;
    }
  }

  /// Unlike `map`, allocates nothing.
  private static MemorySegment memoryOf(Optional<Tensor> tensor) {
    return tensor.isPresent() ? tensor.get().segment() : null;
  }

  CombineBuffer combineBuffer(DispatchHandle handle) {
    HandleData data = Objects.requireNonNull(handle, "handle").data(buffer);
    long rows = handle.numOutputRows();
    OutputPlace place = lend(data);
    Device device = session.memory().device();
    Tensor tensor = Tensor.of(device, place.rows(), DType.BF16, rows, spec.hidden());
    Optional<Tensor> weights =
        data.topk == 0
            ? Optional.empty()
            : Optional.of(Tensor.of(device, place.weights(), DType.F32, rows, data.topk));
    return new CombineBuffer(
        tensor, weights, () -> session.endOutputLease(place.window(), place.ticket()));
  }

  private OutputPlace lend(HandleData data) {
    OutputPlace[] place = new OutputPlace[1];
    commStream.follow();
    commStream.execute(() -> place[0] = session.lendOutput(data));
    return place[0];
  }

  CombineResult combine(CombineInput input, DispatchHandle handle, CombineOptions options) {
    admit(syncCombine, () -> Objects.requireNonNull(options, "options"));
    boolean async = options.call().completion() == Completion.ASYNC_FINISH;
    CombineFlow flow = async ? new CombineFlow(buffer, new CombineCall()) : syncCombine;
    CombineCall call = flow.call();
    admit(
        flow,
        () -> {
          fill(call, input, handle, options);
          options.allocator().ifPresent(validator::allocator);
          validator.combine(call);
          session.reserve(call);
        });
    return flow.run(options);
  }

  private void fill(
      CombineCall call, CombineInput input, DispatchHandle handle, CombineOptions options) {
    call.clear();
    call.y = Objects.requireNonNull(input, "input").y();
    call.topkWeights = input.topkWeights().orElse(null);
    call.bias0 = input.bias().isEmpty() ? null : input.bias().get(0);
    call.bias1 = input.bias().size() < 2 ? null : input.bias().get(1);
    call.handle = Objects.requireNonNull(handle, "handle").data(buffer);
    call.config = options.config().orElse(combineConfig);
  }

  void combineInto(
      CombineInput input,
      DispatchHandle handle,
      CombineOptions options,
      Tensor combinedX,
      Tensor combinedTopkWeights) {
    admitInto(input, handle, options, combinedX, combinedTopkWeights);
    syncCombine.runInto(options);
  }

  private void admitInto(
      CombineInput input,
      DispatchHandle handle,
      CombineOptions options,
      Tensor combinedX,
      Tensor combinedTopkWeights) {
    CombineCall call = syncCombine.call();
    try {
      fill(call, input, handle, Objects.requireNonNull(options, "options"));
      call.combinedX = combinedX;
      call.combinedTopkWeights = combinedTopkWeights;
      validator.combine(call);
      validator.combineOutputs(call);
      session.reserve(call);
    } catch (RuntimeException e) {
      syncCombine.refuse(e);
      throw e;
    }
  }

  void recycle(HandleData data) {
    spareHandles.push(data);
  }

  private HandleData takeHandle() {
    HandleData spare = spareHandles.poll();
    return spare != null ? spare : session.newHandle();
  }

  /// Runs what must hold before a call is made; what it throws is published as a refusal.
  private static void admit(CallFlow flow, Runnable checks) {
    try {
      checks.run();
    } catch (RuntimeException e) {
      flow.refuse(e);
      throw e;
    }
  }
}
