package io.crossdock.verify.contract.lowlatency;

import static org.assertj.core.api.Assertions.assertThat;

import io.crossdock.core.BufferSpec;
import io.crossdock.core.DType;
import io.crossdock.core.Engine;
import io.crossdock.core.EpBuffer;
import io.crossdock.core.EventOverlap;
import io.crossdock.core.ExecutionStream;
import io.crossdock.core.LowLatencyCombineOptions;
import io.crossdock.core.LowLatencyCombineResult;
import io.crossdock.core.LowLatencyCompletion;
import io.crossdock.core.LowLatencyDispatchOptions;
import io.crossdock.core.LowLatencyDispatchResult;
import io.crossdock.core.RecvHook;
import io.crossdock.core.Tensor;
import io.crossdock.core.group.ProcessGroup;
import io.crossdock.verify.contract.lowlatency.LowLatencyCase.CombineChoice;
import io.crossdock.verify.contract.lowlatency.LowLatencyCase.DispatchChoice;
import io.crossdock.verify.contract.lowlatency.LowLatencyCase.Place;
import io.crossdock.verify.contract.lowlatency.LowLatencyCase.Sizes;
import java.lang.foreign.Arena;
import java.util.Arrays;
import java.util.Optional;

/// Runs a case on one rank and compares everything with the routing reference. The halves of a call
/// are separate, so that scenarios can put others between them.
///
/// Confined to the thread that uses the buffer.
final class LowLatencyRun {
  private final LowLatencyExpected expected;
  private final LowLatencyCase test;
  private final Sizes sizes;
  private final EpBuffer buffer;
  private final int rank;
  private final Arena arena;
  private final LowLatencyTensors tensors;
  private final LowLatencyData mine;
  private boolean inStep;

  LowLatencyRun(LowLatencyExpected expected, EpBuffer buffer, Arena arena) {
    this.expected = expected;
    this.test = expected.test();
    this.sizes = test.sizes();
    this.buffer = buffer;
    this.rank = buffer.group().rank();
    this.arena = arena;
    this.tensors = new LowLatencyTensors(test.style(), arena, buffer.memory());
    this.mine = expected.data(rank);
  }

  /// A dispatch whose send half is over.
  ///
  /// @param result a lease, to be closed
  /// @param recvStats accumulated counts, or null
  /// @param waitStats waits, or null
  /// @param startNanos when the call began
  record Dispatched(
      LowLatencyDispatchResult result, Tensor recvStats, Tensor waitStats, long startNanos) {
    /// Closes the result and the handle, whose arrays a later dispatch uses again.
    void close() {
      result.close();
      result.handle().close();
    }
  }

  /// A combine whose send half is over.
  ///
  /// @param result the sums
  /// @param out given memory, or null
  /// @param waitStats waits, or null
  /// @param startNanos when the call began
  record Combined(LowLatencyCombineResult result, Tensor out, Tensor waitStats, long startNanos) {}

  /// Opens a buffer, runs the case some times over and closes the buffer.
  static void run(Engine engine, LowLatencyExpected expected, int times, ProcessGroup group) {
    LowLatencyCase test = expected.test();
    try (EpBuffer buffer = EpBuffer.open(engine, test.spec(), group)) {
      for (int i = 0; i < times; i++) {
        once(expected, buffer);
      }
    } catch (RuntimeException | AssertionError e) {
      throw failed(test, group, e);
    }
  }

  /// The same once, with a spec that has other timeouts, and so that no rank copies or checks while
  /// a peer is in a call: under compute-sanitizer a copy may wait for every kernel that runs, also
  /// for one that waits for the rank that copies.
  static void runInStep(
      Engine engine, LowLatencyExpected expected, BufferSpec spec, ProcessGroup group) {
    try (Arena arena = Arena.ofShared();
        EpBuffer buffer = EpBuffer.open(engine, spec, group)) {
      LowLatencyRun run = new LowLatencyRun(expected, buffer, arena);
      run.inStep = true;
      run.once();
    } catch (RuntimeException | AssertionError e) {
      throw failed(expected.test(), group, e);
    }
  }

  private static AssertionError failed(LowLatencyCase test, ProcessGroup group, Throwable cause) {
    return new AssertionError(
        "case=" + test + ", rank=" + group.rank() + ": " + cause.getMessage(), cause);
  }

  private void meet() {
    if (inStep) {
      buffer.group().barrier();
    }
  }

  /// Dispatch and combine, with memory of their own.
  static void once(LowLatencyExpected expected, EpBuffer buffer) {
    try (Arena arena = Arena.ofShared()) {
      new LowLatencyRun(expected, buffer, arena).once();
    }
  }

  /// Dispatch, experts, combine.
  void once() {
    Dispatched dispatched = dispatch();
    LowLatencyReceived received = finish(dispatched);
    finish(combine(dispatched, received));
    dispatched.close();
  }

  LowLatencyCase test() {
    return test;
  }

  LowLatencyData data() {
    return mine;
  }

  LowLatencyTensors tensors() {
    return tensors;
  }

  /// {@return rows as the dispatch takes them}
  Tensor x() {
    return buffer.memory().toDevice(tensors.onHost(DType.BF16, sizes.hidden(), mine.rows));
  }

  /// {@return choices of the dispatch}
  Tensor topkIdx() {
    return tensors.ids(mine.ids, sizes.topk());
  }

  /// {@return choices of the combine}
  Tensor combineIdx() {
    return tensors.ids(mine.combineIds, sizes.topk());
  }

  /// {@return weights of the combine}
  Tensor topkWeights() {
    return tensors.weights(mine.weights, sizes.topk());
  }

  /// Makes the dispatch; unless it is synchronous its outputs are not complete yet.
  Dispatched dispatch() {
    return dispatch(test.dispatch().completion());
  }

  /// Makes the dispatch with another completion.
  Dispatched dispatch(LowLatencyCompletion completion) {
    DispatchChoice choice = test.dispatch();
    LowLatencyDispatchOptions options =
        LowLatencyDispatchOptions.DEFAULT.withFormat(choice.format()).withCompletion(completion);
    if (choice.workers() > 0) {
      options = options.withConfig(choice.config());
    }
    Tensor recvStats = choice.recvStats() ? tensors.ints(statsBefore()) : null;
    Tensor waitStats = choice.waitStats() ? noWaits() : null;
    if (recvStats != null) {
      options = options.withCumulativeRecvStats(recvStats);
    }
    if (waitStats != null) {
      options = options.withWaitStats(waitStats);
    }
    long start = System.nanoTime();
    LowLatencyDispatchResult result =
        choice.afterEvent() ? afterFilling(options) : send(x(), options);
    return new Dispatched(result, recvStats, waitStats, start);
  }

  private LowLatencyDispatchResult send(Tensor x, LowLatencyDispatchOptions options) {
    Tensor ids = topkIdx();
    meet();
    return buffer.lowLatencyDispatch(x, ids, sizes.maxTokens(), sizes.experts(), options);
  }

  /// Rows are garbage until the work before an event is done.
  private LowLatencyDispatchResult afterFilling(LowLatencyDispatchOptions options) {
    Tensor rows = tensors.onHost(DType.BF16, sizes.hidden(), mine.rows);
    Tensor x = tensors.garbage(DType.BF16, mine.tokens, sizes.hidden());
    try (ExecutionStream stream = ExecutionStream.create("fill-" + rank)) {
      EventOverlap filled = stream.submit(() -> buffer.memory().copy(rows, x));
      return send(x, options.after(filled));
    }
  }

  private int[] statsBefore() {
    int[] before = new int[sizes.localExperts()];
    Arrays.setAll(before, expert -> expert * 7 + rank);
    return before;
  }

  private Tensor noWaits() {
    long[] none = new long[sizes.numRanks()];
    Arrays.fill(none, -1);
    return tensors.longs(none);
  }

  /// Completes a dispatch and checks its outputs.
  LowLatencyReceived finish(Dispatched dispatched) {
    LowLatencyDispatchResult result = dispatched.result;
    result.recvHook().ifPresent(RecvHook::run);
    result.event().currentStreamWait();
    meet();
    if (dispatched.recvStats != null) {
      int[] after = statsBefore();
      int[] counts = expected.recvCount(rank);
      Arrays.setAll(after, expert -> after[expert] + counts[expert]);
      assertThat(tensors.ints(dispatched.recvStats)).as("cumulativeRecvStats").isEqualTo(after);
    }
    checkWaits(dispatched.waitStats, dispatched.startNanos);
    return check(dispatched);
  }

  /// Checks complete outputs, again if need be: a live result never changes.
  LowLatencyReceived check(Dispatched dispatched) {
    LowLatencyReceived received = LowLatencyReceived.of(dispatched.result, tensors);
    expected.checkDispatch(rank, received);
    assertThat(dispatched.result.handle().numTokens())
        .as("tokens of handle")
        .isEqualTo(mine.tokens);
    return received;
  }

  private void checkWaits(Tensor waitStats, long startNanos) {
    if (waitStats != null) {
      long[] waits = tensors.longs(waitStats);
      long elapsed = System.nanoTime() - startNanos;
      for (long waited : waits) {
        assertThat(waited).as("nanoseconds waited").isBetween(0L, elapsed);
      }
    }
  }

  /// {@return expert outputs on the host, garbage where no row was received}
  Tensor expertOutputs(LowLatencyReceived received) {
    Tensor y =
        Tensor.allocate(
            arena, DType.BF16, sizes.localExperts(), sizes.rowsPerExpert(), sizes.hidden());
    y.segment().fill((byte) 0x7f);
    received.applyExperts(test, rank, y.segment());
    return y;
  }

  /// Applies the experts and makes the combine; unless it is synchronous its sums are not complete
  /// yet.
  Combined combine(Dispatched dispatched, LowLatencyReceived received) {
    return combine(dispatched, received, test.combine().completion());
  }

  /// As the other, with another completion.
  Combined combine(
      Dispatched dispatched, LowLatencyReceived received, LowLatencyCompletion completion) {
    CombineChoice choice = test.combine();
    LowLatencyCombineOptions options =
        LowLatencyCombineOptions.DEFAULT.withFormat(choice.format()).withCompletion(completion);
    if (test.dispatch().workers() > 0) {
      options = options.withConfig(choice.config(test.dispatch().workers()));
    }
    Tensor out =
        choice.out() ? tensors.garbage(DType.BF16, (long) mine.tokens, sizes.hidden()) : null;
    Tensor waitStats = choice.waitStats() ? noWaits() : null;
    if (out != null) {
      options = options.withOut(out);
    }
    if (waitStats != null) {
      options = options.withWaitStats(waitStats);
    }
    Tensor outputs = expertOutputs(received);
    if (choice.place() == Place.TENSOR_AFTER_CLOSE) {
      dispatched.result.close();
    }
    long start = System.nanoTime();
    LowLatencyCombineResult result = send(dispatched, outputs, options);
    return new Combined(result, out, waitStats, start);
  }

  private LowLatencyCombineResult send(
      Dispatched dispatched, Tensor outputs, LowLatencyCombineOptions options) {
    boolean zeroCopy = test.combine().place() == Place.COMBINE_BUFFER;
    LowLatencyCombineOptions placed = zeroCopy ? options.zeroCopy() : options;
    Tensor y =
        zeroCopy
            ? buffer.nextCombineBuffer(dispatched.result.handle())
            : tensors.garbage(outputs.dtype(), outputs.shape());
    if (!test.combine().afterEvent()) {
      buffer.memory().copy(outputs, y);
      Tensor ids = combineIdx();
      Tensor weights = topkWeights();
      meet();
      return buffer.lowLatencyCombine(y, ids, weights, dispatched.result.handle(), placed);
    }
    try (ExecutionStream stream = ExecutionStream.create("outputs-" + rank)) {
      EventOverlap filled = stream.submit(() -> buffer.memory().copy(outputs, y));
      return buffer.lowLatencyCombine(
          y, combineIdx(), topkWeights(), dispatched.result.handle(), placed.after(filled));
    }
  }

  /// Completes a combine and checks its sums.
  void finish(Combined combined) {
    combined.result.recvHook().ifPresent(RecvHook::run);
    combined.result.event().currentStreamWait();
    meet();
    checkWaits(combined.waitStats, combined.startNanos);
    Tensor sums = buffer.memory().toHost(combined.result.combinedX());
    assertThat(sums.shape()).as("shape of sums").containsExactly(mine.tokens, sizes.hidden());
    expected.checkCombine(rank, sums);
    Optional.ofNullable(combined.out)
        .ifPresent(out -> {
          assertThat(combined.result.combinedX()).as("sums").isSameAs(out);
          tensors.checkGaps(sums);
        });
  }
}
