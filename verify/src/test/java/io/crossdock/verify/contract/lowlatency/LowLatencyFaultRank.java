package io.crossdock.verify.contract.lowlatency;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;

import io.crossdock.core.CombineFormat;
import io.crossdock.core.EpBuffer;
import io.crossdock.core.LowLatencyCombineOptions;
import io.crossdock.core.LowLatencyCombineResult;
import io.crossdock.core.LowLatencyCompletion;
import io.crossdock.core.LowLatencyDispatchOptions;
import io.crossdock.core.LowLatencyDispatchResult;
import io.crossdock.core.LowLatencyFormat;
import io.crossdock.core.LowLatencyHandle;
import io.crossdock.core.RefusedException;
import io.crossdock.core.Tensor;
import io.crossdock.core.group.ProcessGroup;
import io.crossdock.verify.contract.lowlatency.LowLatencyCase.CombineChoice;
import io.crossdock.verify.contract.lowlatency.LowLatencyCase.DispatchChoice;
import io.crossdock.verify.contract.lowlatency.LowLatencyCase.Experts;
import io.crossdock.verify.contract.lowlatency.LowLatencyCase.Place;
import io.crossdock.verify.contract.lowlatency.LowLatencyCase.Routing;
import io.crossdock.verify.contract.lowlatency.LowLatencyCase.Sizes;
import io.crossdock.verify.contract.lowlatency.LowLatencyCase.Style;
import io.crossdock.verify.contract.lowlatency.LowLatencyCase.Values;
import io.crossdock.verify.contract.lowlatency.LowLatencyRun.Dispatched;
import io.crossdock.verify.harness.EngineUnderTest;
import java.lang.foreign.Arena;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;

/// One rank that makes wrong low-latency calls: its buffer, a live result from before the fault,
/// and exact calls after it.
///
/// Confined to the thread of the rank.
final class LowLatencyFaultRank implements AutoCloseable {
  static final int MAX_TOKENS = 8;
  static final int CALL_TOKENS = 7;
  static final int EXPERTS = 12;
  static final int TOPK = 3;
  private static final List<Integer> TOKENS = List.of(6, 7, 2);

  private final ProcessGroup group;
  private final Arena arena = Arena.ofShared();
  private final EpBuffer buffer;
  private final LowLatencyRun run;
  private final Dispatched live;
  private final LowLatencyReceived received;

  /// The arguments of a dispatch, right until a fault changes one.
  ///
  /// Confined to the thread of the rank.
  static final class DispatchArguments {
    Tensor x;
    Tensor topkIdx;
    int numMaxTokens;
    int numExperts;
    LowLatencyDispatchOptions options;
  }

  /// The arguments of a combine, right until a fault changes one.
  ///
  /// Confined to the thread of the rank.
  static final class CombineArguments {
    Tensor y;
    Tensor topkIdx;
    Tensor topkWeights;
    LowLatencyHandle handle;
    LowLatencyCombineOptions options;
  }

  /// A call; whatever it throws is the outcome.
  @FunctionalInterface
  interface Call {
    void make(LowLatencyFaultRank rank);
  }

  private LowLatencyFaultRank(ProcessGroup group, LowLatencyExpected expected) {
    this.group = group;
    this.buffer = EpBuffer.open(EngineUnderTest.open(), expected.test().plainSpec().build(), group);
    this.run = new LowLatencyRun(expected, buffer, arena);
    this.live = run.dispatch();
    this.received = run.finish(live);
  }

  /// {@return what a rank of these tests computes}
  static LowLatencyExpected expected(int numRanks, LowLatencyFormat format, int hidden) {
    LowLatencyCompletion now = LowLatencyCompletion.SYNCHRONOUS;
    return LowLatencyExpected.of(
        new LowLatencyCase(
            numRanks,
            new Sizes(
                TOKENS.subList(0, numRanks),
                CALL_TOKENS,
                MAX_TOKENS - CALL_TOKENS,
                hidden,
                EXPERTS,
                TOPK),
            Routing.UNIFORM,
            Values.NORMAL,
            new DispatchChoice(format, now, false, false, false, 1),
            new CombineChoice(
                CombineFormat.BF16, now, Place.TENSOR, false, false, false, false, Experts.SCALED),
            new Style(true, false)));
  }

  /// Opens a buffer and makes a dispatch whose result stays alive; collective.
  static LowLatencyFaultRank open(ProcessGroup group, LowLatencyExpected expected) {
    return new LowLatencyFaultRank(group, expected);
  }

  int rank() {
    return group.rank();
  }

  EpBuffer buffer() {
    return buffer;
  }

  LowLatencyRun run() {
    return run;
  }

  LowLatencyTensors tensors() {
    return run.tensors();
  }

  LowLatencyHandle handle() {
    return live.result().handle();
  }

  /// {@return a dispatch with nothing wrong}
  DispatchArguments dispatchArguments() {
    DispatchArguments arguments = new DispatchArguments();
    arguments.x = run.x();
    arguments.topkIdx = run.topkIdx();
    arguments.numMaxTokens = CALL_TOKENS;
    arguments.numExperts = EXPERTS;
    arguments.options =
        LowLatencyDispatchOptions.DEFAULT.withFormat(run.test().dispatch().format());
    return arguments;
  }

  /// {@return a combine of the live result with nothing wrong}
  CombineArguments combineArguments() {
    CombineArguments arguments = new CombineArguments();
    arguments.y = buffer.memory().toDevice(run.expertOutputs(received));
    arguments.topkIdx = run.combineIdx();
    arguments.topkWeights = run.topkWeights();
    arguments.handle = handle();
    arguments.options = LowLatencyCombineOptions.DEFAULT;
    return arguments;
  }

  /// {@return the result of a dispatch}
  LowLatencyDispatchResult make(DispatchArguments arguments) {
    return buffer.lowLatencyDispatch(
        arguments.x,
        arguments.topkIdx,
        arguments.numMaxTokens,
        arguments.numExperts,
        arguments.options);
  }

  /// {@return the result of a combine}
  LowLatencyCombineResult make(CombineArguments arguments) {
    return buffer.lowLatencyCombine(
        arguments.y, arguments.topkIdx, arguments.topkWeights, arguments.handle, arguments.options);
  }

  /// A dispatch with nothing wrong; closes its result.
  void goodDispatch() {
    make(dispatchArguments()).close();
  }

  /// A combine of the live result with nothing wrong.
  void goodCombine() {
    make(combineArguments());
  }

  /// {@return an expert that the last token was not sent to}
  long unchosenExpert() {
    long[] ids = run.data().ids;
    for (long expert = 0; ; expert++) {
      long wanted = expert;
      if (Arrays.stream(ids, ids.length - TOPK, ids.length).noneMatch(id -> id == wanted)) {
        return expert;
      }
    }
  }

  /// As [#refuse]; the live result keeps its bytes and the next calls are exact.
  void expectRefusal(int guilty, Expected expected, Call wrong, Call right) {
    refuse(guilty, expected, wrong, right);
    checkUsable();
  }

  /// One rank makes a wrong call while the others make a right one: it gets its own exception, the
  /// others are told its reason.
  void refuse(int guilty, Expected expected, Call wrong, Call right) {
    Throwable thrown = catchThrowable(() -> (rank() == guilty ? wrong : right).make(this));
    if (rank() == guilty) {
      expected.check(thrown);
    } else {
      assertThat(thrown).isExactlyInstanceOf(RefusedException.class);
      assertThat(((RefusedException) thrown).peer()).isEqualTo(guilty);
    }
    assertThat(thrown).hasMessageContaining(reasonOf(guilty, thrown));
  }

  private String reasonOf(int guilty, Throwable thrown) {
    String mine = thrown == null || thrown.getMessage() == null ? "" : thrown.getMessage();
    byte[][] all = group.allGather(mine.getBytes(StandardCharsets.UTF_8));
    return new String(all[guilty], StandardCharsets.UTF_8);
  }

  /// Every rank makes a call and gets the same exception; the live result keeps its bytes and the
  /// next calls are exact.
  void expectOnAll(Expected expected, Call wrong) {
    expected.check(catchThrowable(() -> wrong.make(this)));
    checkUsable();
  }

  /// Asserts that the live result is whole, and that calls are exact with it and along it.
  void checkUsable() {
    run.check(live);
    run.once();
    run.finish(run.combine(live, run.check(live)));
    run.once();
    run.check(live);
  }

  /// What a wrong call throws.
  ///
  /// Safe for any thread.
  ///
  /// @param type exactly this class
  /// @param fragment part of the message
  record Expected(Class<? extends Throwable> type, String fragment) {
    void check(Throwable thrown) {
      assertThat(thrown).isExactlyInstanceOf(type).hasMessageContaining(fragment);
    }
  }

  @Override
  public void close() {
    try (arena) {
      buffer.close();
    }
  }
}
