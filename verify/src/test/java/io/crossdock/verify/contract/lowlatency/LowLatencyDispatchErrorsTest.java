package io.crossdock.verify.contract.lowlatency;

import static io.crossdock.verify.contract.lowlatency.LowLatencyFault.dispatch;
import static io.crossdock.verify.contract.lowlatency.LowLatencyFaultRank.CALL_TOKENS;
import static io.crossdock.verify.contract.lowlatency.LowLatencyFaultRank.EXPERTS;
import static io.crossdock.verify.contract.lowlatency.LowLatencyFaultRank.MAX_TOKENS;
import static io.crossdock.verify.contract.lowlatency.LowLatencyFaultRank.TOPK;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.crossdock.core.BufferSpec;
import io.crossdock.core.DType;
import io.crossdock.core.EpBuffer;
import io.crossdock.core.EventOverlap;
import io.crossdock.core.InvalidInputException;
import io.crossdock.core.LowLatencyDispatchOptions;
import io.crossdock.core.LowLatencyFormat;
import io.crossdock.core.Mode;
import io.crossdock.core.Tensor;
import io.crossdock.core.group.ProcessGroup;
import io.crossdock.verify.harness.EngineUnderTest;
import io.crossdock.verify.harness.RankThreads;
import java.lang.foreign.Arena;
import java.util.Arrays;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/// A low-latency dispatch that one rank makes with a wrong argument: it is told what is wrong, the
/// others that it refused, and the buffer goes on.
class LowLatencyDispatchErrorsTest {
  @ParameterizedTest
  @MethodSource({"missing", "rows", "sizes", "choices", "statistics", "memory"})
  void isRefusedByTwoRanks(LowLatencyFault fault) throws Exception {
    fault.refuse(2);
  }

  @ParameterizedTest
  @MethodSource({"rows", "choices"})
  void isRefusedByThreeRanks(LowLatencyFault fault) throws Exception {
    fault.refuse(3);
  }

  static Stream<LowLatencyFault> missing() {
    Class<? extends Throwable> type = NullPointerException.class;
    return Stream.of(
        dispatch("no rows", type, "x", (rank, call) -> call.x = null),
        dispatch("no choices", type, "topkIdx", (rank, call) -> call.topkIdx = null),
        dispatch("no options", type, "options", (rank, call) -> call.options = null));
  }

  private static LowLatencyFault.DispatchChange x(DType dtype, long... shape) {
    return (rank, call) -> call.x = rank.tensors().garbage(dtype, shape);
  }

  static Stream<LowLatencyFault> rows() {
    return Stream.of(
        dispatch("rows of F32", "x has the wrong shape", x(DType.F32, 2, 256)),
        dispatch("rows of FP16", "x has the wrong shape", x(DType.FP16, 2, 256)),
        dispatch("narrow rows", "x has the wrong shape", x(DType.BF16, 2, 128)),
        dispatch("rows of one dimension", "x has the wrong shape", x(DType.BF16, 2)),
        dispatch("rows of three dimensions", "x has the wrong shape", x(DType.BF16, 2, 1, 256)),
        dispatch(
            "more tokens than the call's most",
            "too many tokens: tokens=8, numMaxTokensPerRank=7",
            x(DType.BF16, CALL_TOKENS + 1, 256)),
        dispatch("rows that do not fit the choices", "topkIdx must be", x(DType.BF16, 1, 256)));
  }

  static Stream<LowLatencyFault> sizes() {
    return Stream.of(
        dispatch(
            "more tokens than the buffer's",
            "numMaxTokensPerRank=9, buffer=8",
            (rank, call) -> call.numMaxTokens = MAX_TOKENS + 1),
        dispatch(
            "a negative number of tokens",
            "numMaxTokensPerRank=-1",
            (rank, call) -> call.numMaxTokens = -1),
        dispatch("no experts", "numExperts=0", (rank, call) -> call.numExperts = 0),
        dispatch("odd experts", "numExperts=11", (rank, call) -> call.numExperts = EXPERTS - 1),
        dispatch("more experts", "numExperts=24", (rank, call) -> call.numExperts = 2 * EXPERTS));
  }

  private static LowLatencyFault.DispatchChange id(long... firstIds) {
    return (rank, call) -> {
      long[] ids = new long[Math.toIntExact(call.topkIdx.numElements())];
      Arrays.fill(ids, -1);
      System.arraycopy(firstIds, 0, ids, ids.length - firstIds.length, firstIds.length);
      call.topkIdx = rank.tensors().ids(ids, TOPK);
    };
  }

  private static LowLatencyFault.DispatchChange choices(DType dtype, long... shape) {
    return (rank, call) -> call.topkIdx = rank.tensors().garbage(dtype, shape);
  }

  static Stream<LowLatencyFault> choices() {
    return Stream.of(
        dispatch("expert above the last", "expert=12", id(EXPERTS)),
        dispatch("expert below -1", "expert=-2", id(-2)),
        dispatch("expert far out of range", "expert=1099511627776", id(1L << 40)),
        dispatch("repeated expert", "repeats an expert", id(5, 0, 5)),
        dispatch("choices of F32", "topkIdx must be", choices(DType.F32, 6, TOPK)),
        dispatch("choices of one dimension", "topkIdx must be", choices(DType.I64, 6)),
        dispatch("choices of other tokens", "topkIdx must be", choices(DType.I64, 1, TOPK)),
        dispatch(
            "too many choices",
            "topk=4, bufferTopk=3",
            (rank, call) ->
                call.topkIdx = rank.tensors().garbage(DType.I64, call.x.size(0), TOPK + 1)));
  }

  private static LowLatencyFault.DispatchChange recvStats(DType dtype, long... shape) {
    return (rank, call) -> {
      Tensor stats = rank.tensors().garbage(dtype, shape);
      call.options = call.options.withCumulativeRecvStats(stats);
    };
  }

  private static LowLatencyFault.DispatchChange waitStats(DType dtype, long... shape) {
    return (rank, call) ->
        call.options = call.options.withWaitStats(rank.tensors().garbage(dtype, shape));
  }

  static Stream<LowLatencyFault> statistics() {
    return Stream.of(
        dispatch("counts of I64", "cumulativeRecvStats has", recvStats(DType.I64, 6)),
        dispatch("counts of all experts", "cumulativeRecvStats has", recvStats(DType.I32, 12)),
        dispatch("waits of I32", "waitStats has", waitStats(DType.I32, 2)),
        dispatch("waits of too many ranks", "waitStats has", waitStats(DType.I64, 3)),
        dispatch("waits of two dimensions", "waitStats has", waitStats(DType.I64, 2, 1)));
  }

  private static LowLatencyFault.DispatchChange rows(UnaryOperator<Tensor> other) {
    return (rank, call) -> call.x = other.apply(call.x);
  }

  private static LowLatencyFault.DispatchChange ids(UnaryOperator<Tensor> other) {
    return (rank, call) -> call.topkIdx = other.apply(call.topkIdx);
  }

  /// Memory of the host that no call may read.
  static Stream<LowLatencyFault> memory() {
    if (EngineUnderTest.isCuda()) {
      return Stream.of();
    }
    return Stream.of(
        dispatch("freed rows", "x lies in memory that was freed", rows(LowLatencyFault::freed)),
        dispatch("freed choices", "topkIdx lies in memory that", ids(LowLatencyFault::freed)),
        dispatch("confined rows", "x lies in memory confined", rows(LowLatencyFault::confined)),
        dispatch("confined choices", "topkIdx lies in memory", ids(LowLatencyFault::confined)));
  }

  @Test
  void fp8RowsOfAnOddWidthAreRefused() throws Exception {
    LowLatencyFault fault =
        dispatch(
            "FP8 rows of an odd width",
            "hidden=136",
            (rank, call) -> call.options = LowLatencyDispatchOptions.DEFAULT);
    fault.refuse(2, LowLatencyFormat.BF16, 136);
  }

  @Test
  void anEventThatFailedIsToldToTheOthers() throws Exception {
    // The rows do not exist, so nothing may be sent.
    LowLatencyFault fault =
        dispatch(
            "an event that failed",
            IllegalStateException.class,
            "rows were not made",
            (rank, call) -> call.options = call.options.after(new FailedEvent()));
    fault.refuse(2);
  }

  /// Stands for work that threw.
  private static final class FailedEvent extends EventOverlap {
    @Override
    public boolean isDone() {
      return true;
    }

    @Override
    public void currentStreamWait() {
      throw new IllegalStateException("rows were not made");
    }

    @Override
    public void close() {
      currentStreamWait();
    }
  }

  @Test
  void aBufferOfNormalModeMakesNoLowLatencyCalls() throws Exception {
    LowLatencyExpected exact = LowLatencyFaultRank.expected(2, LowLatencyFormat.BF16, 256);
    BufferSpec normal = exact.test().plainSpec().mode(Mode.NORMAL).build();
    RankThreads.run(2, group -> inNormalMode(exact, normal, group));
  }

  private static void inNormalMode(
      LowLatencyExpected exact, BufferSpec normal, ProcessGroup group) {
    try (Arena arena = Arena.ofShared();
        EpBuffer buffer = EpBuffer.open(EngineUnderTest.open(), normal, group)) {
      LowLatencyRun run = new LowLatencyRun(exact, buffer, arena);
      assertThatThrownBy(run::dispatch)
          .isInstanceOf(InvalidInputException.class)
          .hasMessageContaining("mode=NORMAL");
      assertThatThrownBy(buffer::cleanLowLatencyBuffer).isInstanceOf(InvalidInputException.class);
      assertThatThrownBy(buffer::queryMask).isInstanceOf(InvalidInputException.class);
    }
  }
}
