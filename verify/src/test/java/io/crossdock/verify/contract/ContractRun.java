package io.crossdock.verify.contract;

import io.crossdock.core.BufferSpec;
import io.crossdock.core.CallOptions;
import io.crossdock.core.CombineBuffer;
import io.crossdock.core.CombineInput;
import io.crossdock.core.CombineOptions;
import io.crossdock.core.CombineResult;
import io.crossdock.core.DType;
import io.crossdock.core.DispatchHandle;
import io.crossdock.core.DispatchInput;
import io.crossdock.core.DispatchOptions;
import io.crossdock.core.DispatchOutputs;
import io.crossdock.core.DispatchResult;
import io.crossdock.core.Engine;
import io.crossdock.core.EngineMemory;
import io.crossdock.core.Engines;
import io.crossdock.core.EpBuffer;
import io.crossdock.core.Layout;
import io.crossdock.core.Placement;
import io.crossdock.core.Tensor;
import io.crossdock.core.group.ProcessGroup;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Optional;
import java.util.function.Consumer;

/// Runs a case on one rank and compares everything with the routing reference.
final class ContractRun {
  private final ContractCase test;
  private final EpBuffer buffer;
  private final int rank;
  private final EngineMemory memory;
  private final Expected expected;
  private final RankData mine;
  private boolean inStep;
  private int numCalls;

  ContractRun(ContractCase test, EpBuffer buffer, Arena arena) {
    this.test = test;
    this.buffer = buffer;
    this.rank = buffer.group().rank();
    this.memory = buffer.memory();
    this.expected = new Expected(test, buffer.group(), new RankData.Memories(arena, memory));
    this.mine = expected.rank(rank, 0);
  }

  /// Opens a buffer, runs the case some times over and closes the buffer.
  static void run(String engine, ContractCase test, int times, ProcessGroup group) {
    run(
        Engines.open(engine),
        test,
        test.spec(),
        group,
        run -> {
          for (int i = 0; i < times; i++) {
            run.once();
          }
        });
  }

  /// The same once, with a spec that has other timeouts, and so that no rank copies or checks while
  /// a peer is in a call: under compute-sanitizer a copy may wait for every kernel that runs, also
  /// for one that waits for the rank that copies.
  static void runInStep(Engine engine, ContractCase test, BufferSpec spec, ProcessGroup group) {
    run(
        engine,
        test,
        spec,
        group,
        run -> {
          run.inStep = true;
          run.once();
        });
  }

  private static void run(
      Engine engine,
      ContractCase test,
      BufferSpec spec,
      ProcessGroup group,
      Consumer<ContractRun> calls) {
    try (Arena arena = Arena.ofShared();
        EpBuffer buffer = EpBuffer.open(engine, spec, group)) {
      calls.accept(new ContractRun(test, buffer, arena));
    } catch (AssertionError e) {
      throw new AssertionError(
          "case=" + test + ", rank=" + group.rank() + ": " + e.getMessage(), e);
    }
  }

  private void meet() {
    if (inStep) {
      buffer.group().barrier();
    }
  }

  /// Layout, dispatch, cached dispatch if wanted, combine.
  void once() {
    Tensor topkIdx = mine.topkIdx();
    Layout layout = buffer.layout(topkIdx, test.experts());
    expected.checkLayout(layout);
    DispatchInput input = mine.dispatchInput(topkIdx);
    meet();
    if (test.flow() == ContractCase.Flow.INTO) {
      into(input, layout);
      return;
    }
    try (DispatchResult fresh = buffer.dispatch(input, layout, dispatchOptions())) {
      checkFresh(fresh);
      if (test.options().cached()) {
        cached(fresh.handle());
      }
      combine(fresh.handle());
    }
  }

  /// Dispatches and checks; the caller closes the result.
  DispatchResult dispatch() {
    DispatchResult fresh = start();
    checkFresh(fresh);
    return fresh;
  }

  /// Dispatches and returns at once; the caller closes the result.
  DispatchResult start() {
    Tensor topkIdx = mine.topkIdx();
    Layout layout = buffer.layout(topkIdx, test.experts());
    return buffer.dispatch(mine.dispatchInput(topkIdx), layout, dispatchOptions());
  }

  /// Computes a layout alone.
  void layout() {
    expected.checkLayout(buffer.layout(mine.topkIdx(), test.experts()));
  }

  /// Checks a result, again if need be: a live one never changes.
  void checkFresh(DispatchResult fresh) {
    fresh.event().currentStreamWait();
    meet();
    expected.checkDispatch(Received.of(fresh, memory), 0);
  }

  /// Sends other rows along a handle: the backward of combine.
  void cached(DispatchHandle handle) {
    DispatchInput rows = otherRows();
    meet();
    try (DispatchResult second = startCached(rows, handle)) {
      checkCached(second);
    }
  }

  /// Rows other than those of the fresh dispatch.
  DispatchInput otherRows() {
    return expected.rank(rank, 1).rowsOnly();
  }

  /// Sends other rows along a handle and returns at once; the caller closes the result.
  DispatchResult startCached(DispatchInput again, DispatchHandle handle) {
    return buffer.dispatch(again, handle, dispatchOptions());
  }

  /// Checks what [#startCached] sent.
  void checkCached(DispatchResult second) {
    second.event().currentStreamWait();
    meet();
    expected.checkRows(Received.of(second, memory), 1);
  }

  private void into(DispatchInput input, Layout layout) {
    int rows = Math.max(expected.numRecvTokens(), test.options().worstTokens());
    DispatchOutputs outputs = buffer.allocateOutputs(memory.allocator(), input, rows + 3);
    meet();
    buffer.dispatchInto(input, layout, dispatchOptions(), outputs);
    meet();
    expected.checkDispatch(Received.of(outputs, memory), 0);
    combine(outputs.handle());
  }

  private CallOptions callOptions() {
    return switch (test.flow()) {
      case SYNCHRONOUS, INTO -> CallOptions.DEFAULT;
      case ASYNC -> CallOptions.DEFAULT.async();
      case ALLOCATE_ON_COMM_STREAM ->
          CallOptions.DEFAULT.after(EpBuffer.capture()).async().allocateOnCommStream();
    };
  }

  private DispatchOptions dispatchOptions() {
    return DispatchOptions.DEFAULT
        .withCall(callOptions())
        .withConfig(test.dispatchConfig(rank, numCalls++))
        .withExpertAlignment(test.options().alignment())
        .withNumWorstTokens(test.options().worstTokens())
        .withPlacement(placement());
  }

  private Placement placement() {
    return test.options().owned() ? Placement.owned(memory.allocator()) : Placement.BORROWED;
  }

  /// Combines expert outputs along a handle; with gradients of weights, the backward of dispatch.
  void combine(DispatchHandle handle) {
    int rows = Math.toIntExact(handle.numOutputRows());
    MemorySegment outputs = RankData.expertRows(test, rank, expected.numRecvTokens());
    if (test.options().zeroCopy()) {
      try (CombineBuffer place = buffer.combineBuffer(handle)) {
        int valid = expected.numRecvTokens();
        Tensor y = mine.tensor(DType.BF16, valid, test.hidden(), outputs);
        memory.copy(y, place.tensor().firstRows(valid));
        combine(handle, place.tensor(), place.topkWeights());
      }
      return;
    }
    MemorySegment all = MemorySegment.ofArray(new byte[rows * test.hidden() * 2]);
    MemorySegment.copy(outputs, 0, all, 0, outputs.byteSize());
    Tensor y = mine.tensor(DType.BF16, rows, test.hidden(), all);
    combine(handle, y, Optional.empty());
  }

  private void combine(DispatchHandle handle, Tensor y, Optional<Tensor> place) {
    CombineInput input = CombineInput.of(y).withBias(biases());
    boolean weighted = test.options().weights();
    if (weighted) {
      input = input.withTopkWeights(gradients(handle, place));
    }
    CombineOptions options =
        CombineOptions.DEFAULT
            .withCall(callOptions())
            .withConfig(test.combineConfig(rank, numCalls++));
    if (test.flow() == ContractCase.Flow.INTO) {
      Tensor x = mine.garbage(DType.BF16, mine.tokens, test.hidden());
      Tensor sums = weighted ? allocate(mine.tokens) : null;
      meet();
      buffer.combineInto(input, handle, options, x, sums);
      meet();
      expected.checkCombine(x, Optional.ofNullable(sums));
      return;
    }
    meet();
    CombineResult result = buffer.combine(input, handle, options);
    result.event().currentStreamWait();
    meet();
    expected.checkCombine(result.combinedX(), result.combinedTopkWeights());
  }

  /// {@return memory for weights [rows, K]}
  private Tensor allocate(long rows) {
    return Tensor.allocate(memory.allocator(), DType.F32, rows, test.topk());
  }

  private Tensor[] biases() {
    Tensor[] biases = new Tensor[test.options().bias()];
    for (int i = 0; i < biases.length; i++) {
      biases[i] = mine.tensor(DType.BF16, mine.tokens, test.hidden(), mine.bias(i));
    }
    return biases;
  }

  private Tensor gradients(DispatchHandle handle, Optional<Tensor> place) {
    int valid = expected.numRecvTokens();
    MemorySegment values = MemorySegment.ofArray(RankData.gradients(test, rank, valid));
    Tensor tensor = place.orElseGet(() -> allocate(handle.numOutputRows()));
    memory.copy(mine.tensor(DType.F32, valid, test.topk(), values), tensor.firstRows(valid));
    return tensor;
  }
}
