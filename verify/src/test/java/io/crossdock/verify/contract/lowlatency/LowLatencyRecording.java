package io.crossdock.verify.contract.lowlatency;

import io.crossdock.core.DType;
import io.crossdock.core.EngineMemory;
import io.crossdock.core.EpBuffer;
import io.crossdock.core.LowLatencyCombineOptions;
import io.crossdock.core.LowLatencyDispatchOptions;
import io.crossdock.core.LowLatencyDispatchResult;
import io.crossdock.core.RecvHook;
import io.crossdock.core.Tensor;
import io.crossdock.cuda.CudaGraph;
import io.crossdock.cuda.CudaStream;
import io.crossdock.verify.contract.lowlatency.LowLatencyCase.Place;
import io.crossdock.verify.contract.lowlatency.LowLatencyCase.Sizes;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.time.Duration;

/// The calls of a case captured into CUDA graphs, to be replayed with the data of other seeds. The
/// result of the dispatch is a live one as long as the graphs are.
///
/// Confined to the thread of the rank.
final class LowLatencyRecording implements AutoCloseable {
  private static final Duration BOUND = Duration.ofSeconds(20);

  private final LowLatencyCase test;
  private final EpBuffer buffer;
  private final EngineMemory memory;
  private final CudaStream stream;
  private final Arena arena = Arena.ofShared();
  private final LowLatencyTensors tensors;
  private final int rank;
  private final Tensor x;
  private final Tensor topkIdx;
  private final Tensor combineIdx;
  private final Tensor weights;
  private final Tensor out;
  private final Tensor outputs;
  private final CudaGraph there;

  /// Null if all calls are in one graph.
  private final CudaGraph back;

  private Tensor y;
  private LowLatencyDispatchResult result;

  /// How calls are put into graphs.
  enum Parts {
    /// One graph of the dispatch, experts that copy, and the combine; rows must be BF16.
    ONE_GRAPH,
    /// A graph each, and experts of the host between them.
    TWO_GRAPHS
  }

  /// Captures the calls; collective.
  LowLatencyRecording(LowLatencyExpected shape, Parts parts, EpBuffer buffer, CudaStream stream) {
    this.test = shape.test();
    this.buffer = buffer;
    this.memory = buffer.memory();
    this.stream = stream;
    this.rank = buffer.group().rank();
    this.tensors = new LowLatencyTensors(test.style(), arena, memory);
    Sizes sizes = test.sizes();
    long tokens = sizes.tokens().get(rank);
    x = device(DType.BF16, tokens, sizes.hidden());
    topkIdx = device(DType.I64, tokens, sizes.topk());
    combineIdx = device(DType.I64, tokens, sizes.topk());
    weights = device(DType.F32, tokens, sizes.topk());
    out = device(DType.BF16, tokens, sizes.hidden());
    y = device(DType.BF16, sizes.localExperts(), sizes.rowsPerExpert(), sizes.hidden());
    outputs = Tensor.allocate(arena, DType.BF16, y.shape());
    load(shape.data(rank));
    boolean one = parts == Parts.ONE_GRAPH;
    there = CudaGraph.capture(stream, one ? this::dispatchToCombine : this::dispatch);
    back = one ? null : CudaGraph.capture(stream, this::combine);
    // Making a graph ready waits for the whole GPU, so no rank may be in a call by then.
    buffer.group().barrier();
  }

  private Tensor device(DType dtype, long... shape) {
    return Tensor.allocate(memory.allocator(), dtype, shape);
  }

  private void dispatchToCombine() {
    dispatch();
    memory.copy(result.recvX(), y);
    combine();
  }

  private void dispatch() {
    LowLatencyDispatchOptions options =
        LowLatencyDispatchOptions.DEFAULT
            .withFormat(test.dispatch().format())
            .withCompletion(test.dispatch().completion());
    Sizes sizes = test.sizes();
    result = buffer.lowLatencyDispatch(x, topkIdx, sizes.maxTokens(), sizes.experts(), options);
    result.recvHook().ifPresent(RecvHook::run);
    if (test.combine().place() == Place.COMBINE_BUFFER) {
      y = buffer.nextCombineBuffer(result.handle());
    }
  }

  private void combine() {
    LowLatencyCombineOptions options =
        LowLatencyCombineOptions.DEFAULT
            .withFormat(test.combine().format())
            .withCompletion(test.combine().completion())
            .withOut(out);
    boolean inPlace = test.combine().place() == Place.COMBINE_BUFFER;
    buffer
        .lowLatencyCombine(
            y, combineIdx, weights, result.handle(), inPlace ? options.zeroCopy() : options)
        .recvHook()
        .ifPresent(RecvHook::run);
  }

  /// Brings data where the graphs look for it.
  void load(LowLatencyData data) {
    Sizes sizes = test.sizes();
    memory.copy(tensors.onHost(DType.BF16, sizes.hidden(), data.rows), x);
    memory.copy(ids(data.ids), topkIdx);
    memory.copy(ids(data.combineIds), combineIdx);
    MemorySegment factors = MemorySegment.ofArray(data.weights);
    memory.copy(tensors.onHost(DType.F32, sizes.topk(), factors), weights);
  }

  private Tensor ids(long[] ids) {
    return tensors.onHost(DType.I64, test.sizes().topk(), MemorySegment.ofArray(ids));
  }

  /// Replays with the data of a case of the same shape and checks everything; collective.
  void replay(LowLatencyExpected expected) {
    load(expected.data(rank));
    run(there);
    LowLatencyReceived received = LowLatencyReceived.of(result, tensors);
    expected.checkDispatch(rank, received);
    if (back != null) {
      received.applyExperts(expected.test(), rank, outputs.segment());
      memory.copy(outputs, y);
      run(back);
    }
    expected.checkCombine(rank, memory.toHost(out));
  }

  /// Replays what is loaded; what a call fails with is thrown.
  void runFirst() {
    run(there);
  }

  private void run(CudaGraph graph) {
    graph.launch(stream);
    stream.synchronize(BOUND);
    buffer.check();
  }

  @Override
  public void close() {
    try (arena) {
      there.close();
      if (back != null) {
        back.close();
      }
      result.close();
    }
  }
}
