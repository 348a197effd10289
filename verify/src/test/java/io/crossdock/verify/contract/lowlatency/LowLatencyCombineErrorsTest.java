package io.crossdock.verify.contract.lowlatency;

import static io.crossdock.verify.contract.lowlatency.LowLatencyFault.combine;
import static io.crossdock.verify.contract.lowlatency.LowLatencyFaultRank.CALL_TOKENS;
import static io.crossdock.verify.contract.lowlatency.LowLatencyFaultRank.EXPERTS;
import static io.crossdock.verify.contract.lowlatency.LowLatencyFaultRank.TOPK;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.crossdock.core.CombineFormat;
import io.crossdock.core.DType;
import io.crossdock.core.InvalidInputException;
import io.crossdock.core.LeaseException;
import io.crossdock.core.LowLatencyCombineOptions;
import io.crossdock.core.LowLatencyCompletion;
import io.crossdock.core.LowLatencyFormat;
import io.crossdock.core.LowLatencyHandle;
import io.crossdock.core.Tensor;
import io.crossdock.core.group.GroupOptions;
import io.crossdock.core.group.InProcessGroup;
import io.crossdock.core.group.ProcessGroup;
import io.crossdock.verify.contract.lowlatency.LowLatencyRun.Dispatched;
import io.crossdock.verify.harness.EngineUnderTest;
import io.crossdock.verify.harness.RankThreads;
import java.util.Arrays;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/// A low-latency combine that one rank makes with a wrong argument: it is told what is wrong, the
/// others that it refused, and the buffer goes on.
class LowLatencyCombineErrorsTest {
  private static final int HIDDEN = 256;
  private static final LowLatencyExpected EXACT =
      LowLatencyFaultRank.expected(2, LowLatencyFormat.FP8, HIDDEN);

  @ParameterizedTest
  @MethodSource({"missing", "outputs", "choices", "weights", "options", "memory", "handles"})
  void isRefusedByTwoRanks(LowLatencyFault fault) throws Exception {
    fault.refuse(2);
  }

  @ParameterizedTest
  @MethodSource("choices")
  void isRefusedByThreeRanks(LowLatencyFault fault) throws Exception {
    fault.refuse(3);
  }

  static Stream<LowLatencyFault> missing() {
    Class<? extends Throwable> type = NullPointerException.class;
    return Stream.of(
        combine("no outputs", type, "y", (rank, call) -> call.y = null),
        combine("no choices", type, "topkIdx", (rank, call) -> call.topkIdx = null),
        combine("no weights", type, "topkWeights", (rank, call) -> call.topkWeights = null),
        combine("no handle", type, "handle", (rank, call) -> call.handle = null),
        combine("no options", type, "options", (rank, call) -> call.options = null));
  }

  private static LowLatencyFault.CombineChange y(DType dtype, long... shape) {
    return (rank, call) -> call.y = rank.tensors().garbage(dtype, shape);
  }

  static Stream<LowLatencyFault> outputs() {
    int local = EXPERTS / 2;
    long rows = 2L * CALL_TOKENS;
    return Stream.of(
        combine("outputs of F32", "y has the wrong shape", y(DType.F32, local, rows, HIDDEN)),
        combine("few outputs", "y has the wrong shape", y(DType.BF16, local, rows - 1, HIDDEN)),
        combine("few experts", "y has the wrong shape", y(DType.BF16, local - 1, rows, HIDDEN)),
        combine("narrow outputs", "y has the wrong shape", y(DType.BF16, local, rows, HIDDEN / 2)),
        combine("outputs in a row", "y has the wrong shape", y(DType.BF16, local * rows, HIDDEN)));
  }

  /// The last token chooses other experts than it did.
  private static LowLatencyFault.CombineChange ids(long... lastIds) {
    return (rank, call) -> {
      long[] ids = new long[Math.toIntExact(call.topkIdx.numElements())];
      Arrays.fill(ids, -1);
      System.arraycopy(lastIds, 0, ids, ids.length - lastIds.length, lastIds.length);
      call.topkIdx = rank.tensors().ids(ids, TOPK);
    };
  }

  private static LowLatencyFault.CombineChange choices(DType dtype, long... shape) {
    return (rank, call) -> call.topkIdx = rank.tensors().garbage(dtype, shape);
  }

  static Stream<LowLatencyFault> choices() {
    return Stream.of(
        combine("expert above the last", "expert=12", ids(EXPERTS)),
        combine("expert below -1", "expert=-2", ids(-2)),
        combine(
            "expert that the token was not sent to",
            "expert=",
            (rank, call) -> ids(rank.unchosenExpert()).accept(rank, call)),
        combine("choices of F32", "topkIdx must be", choices(DType.F32, 6, TOPK)),
        combine("choices of one dimension", "topkIdx must be", choices(DType.I64, 6)),
        combine("choices of other tokens", "topkIdx must be", choices(DType.I64, 1, TOPK)),
        combine(
            "too many choices",
            "topk=4, bufferTopk=3",
            (rank, call) -> {
              long tokens = call.topkIdx.size(0);
              call.topkIdx = rank.tensors().garbage(DType.I64, tokens, TOPK + 1);
            }));
  }

  private static LowLatencyFault.CombineChange weights(DType dtype, long extraTokens, int topk) {
    return (rank, call) -> {
      long tokens = call.topkIdx.size(0) + extraTokens;
      call.topkWeights = rank.tensors().garbage(dtype, tokens, (long) topk);
    };
  }

  static Stream<LowLatencyFault> weights() {
    return Stream.of(
        combine("weights of BF16", "topkWeights has", weights(DType.BF16, 0, TOPK)),
        combine("few weights", "topkWeights has", weights(DType.F32, 0, TOPK - 1)),
        combine("weights of more tokens", "topkWeights has", weights(DType.F32, 1, TOPK)));
  }

  private static LowLatencyFault.CombineChange out(DType dtype, long extraTokens, int hidden) {
    return (rank, call) -> {
      long tokens = call.topkIdx.size(0) + extraTokens;
      call.options = call.options.withOut(rank.tensors().garbage(dtype, tokens, (long) hidden));
    };
  }

  private static LowLatencyFault.CombineChange waitStats(DType dtype, long... shape) {
    return (rank, call) ->
        call.options = call.options.withWaitStats(rank.tensors().garbage(dtype, shape));
  }

  static Stream<LowLatencyFault> options() {
    return Stream.of(
        combine("sums of F32", "out has the wrong shape", out(DType.F32, 0, HIDDEN)),
        combine("sums of more tokens", "out has the wrong shape", out(DType.BF16, 1, HIDDEN)),
        combine("narrow sums", "out has the wrong shape", out(DType.BF16, 0, HIDDEN - 8)),
        combine("waits of I32", "waitStats has", waitStats(DType.I32, 2)),
        combine("waits of too few ranks", "waitStats has", waitStats(DType.I64, 1)));
  }

  /// Memory of the host that no call may read.
  static Stream<LowLatencyFault> memory() {
    return EngineUnderTest.isCuda()
        ? Stream.of()
        : Stream.of(
            combine(
                "freed outputs",
                "y lies in memory that was freed",
                (rank, call) -> call.y = LowLatencyFault.freed(call.y)),
            combine(
                "freed weights",
                "topkWeights lies in memory that was freed",
                (rank, call) -> call.topkWeights = LowLatencyFault.freed(call.topkWeights)),
            combine(
                "freed sums",
                "out lies in memory that was freed",
                (rank, call) -> {
                  Tensor like =
                      rank.tensors().garbage(DType.BF16, call.topkIdx.size(0), (long) HIDDEN);
                  call.options = call.options.withOut(LowLatencyFault.freed(like));
                }));
  }

  static Stream<LowLatencyFault> handles() {
    return Stream.of(
        combine(
            "zeroCopy with another tensor",
            "zeroCopy",
            (rank, call) -> call.options = call.options.zeroCopy()),
        new LowLatencyFault(
            "handle of another buffer",
            new LowLatencyFaultRank.Expected(
                InvalidInputException.class, "handle belongs to another buffer"),
            LowLatencyCombineErrorsTest::withForeignHandle,
            LowLatencyFaultRank::goodCombine));
  }

  /// A buffer that has nothing to do with the one under test.
  private static void withForeignHandle(LowLatencyFaultRank rank) {
    LowLatencyExpected alone = LowLatencyFaultRank.expected(1, LowLatencyFormat.FP8, HIDDEN);
    try (ProcessGroup group = InProcessGroup.create(1, GroupOptions.defaults()).getFirst();
        LowLatencyFaultRank other = LowLatencyFaultRank.open(group, alone)) {
      LowLatencyFaultRank.CombineArguments arguments = rank.combineArguments();
      arguments.handle = other.handle();
      rank.make(arguments);
    }
  }

  @Test
  void zeroCopyDoesNotGoWithLogFmt() {
    LowLatencyCombineOptions options = LowLatencyCombineOptions.DEFAULT.zeroCopy();
    assertThatThrownBy(() -> options.withFormat(CombineFormat.LOGFMT10))
        .isInstanceOf(InvalidInputException.class)
        .hasMessageContaining("zeroCopy does not go with useLogFmt");
  }

  @Test
  void thePlaceOfAClosedResultIsNotHandedOut() throws Exception {
    RankThreads.run(
        2,
        group -> {
          try (LowLatencyFaultRank rank = LowLatencyFaultRank.open(group, EXACT)) {
            Dispatched closed = rank.run().dispatch();
            rank.run().finish(closed);
            LowLatencyHandle handle = closed.result().handle();
            rank.buffer().nextCombineBuffer(handle);
            closed.result().close();
            assertThatThrownBy(() -> rank.buffer().nextCombineBuffer(handle))
                .isInstanceOf(LeaseException.class);
            rank.checkUsable();
          }
        });
  }

  @Test
  void zeroCopyFromThePlaceOfAnotherResultIsRefused() throws Exception {
    RankThreads.run(
        2,
        group -> {
          try (LowLatencyFaultRank rank = LowLatencyFaultRank.open(group, EXACT)) {
            Dispatched other = rank.run().dispatch();
            rank.run().finish(other);
            Tensor place = rank.buffer().nextCombineBuffer(other.result().handle());
            rank.refuse(
                1,
                new LowLatencyFaultRank.Expected(InvalidInputException.class, "zeroCopy"),
                guilty -> guilty.make(zeroCopy(guilty, place, guilty.handle())),
                LowLatencyFaultRank::goodCombine);
            other.result().close();
            rank.checkUsable();
          }
        });
  }

  private static LowLatencyFaultRank.CombineArguments zeroCopy(
      LowLatencyFaultRank rank, Tensor place, LowLatencyHandle handle) {
    LowLatencyFaultRank.CombineArguments arguments = rank.combineArguments();
    arguments.y = place;
    arguments.handle = handle;
    arguments.options = arguments.options.zeroCopy();
    return arguments;
  }

  /// The place may belong to a later result by then.
  @Test
  void zeroCopyFromThePlaceOfAClosedResultIsRefused() throws Exception {
    RankThreads.run(
        2,
        group -> {
          try (LowLatencyFaultRank rank = LowLatencyFaultRank.open(group, EXACT)) {
            Dispatched closed = rank.run().dispatch();
            rank.run().finish(closed);
            LowLatencyHandle handle = closed.result().handle();
            Tensor place = rank.buffer().nextCombineBuffer(handle);
            closed.result().close();
            rank.refuse(
                1,
                new LowLatencyFaultRank.Expected(LeaseException.class, "closed"),
                guilty -> guilty.make(zeroCopy(guilty, place, handle)),
                other -> {
                  LowLatencyFaultRank.CombineArguments arguments = other.combineArguments();
                  arguments.handle = handle;
                  other.make(arguments);
                });
            rank.checkUsable();
          }
        });
  }

  @Test
  void aDispatchWhoseHookDidNotRunIsNotCombined() throws Exception {
    RankThreads.run(
        2,
        group -> {
          try (LowLatencyFaultRank rank = LowLatencyFaultRank.open(group, EXACT)) {
            LowLatencyRun run = rank.run();
            Dispatched pending = run.dispatch(LowLatencyCompletion.RECV_HOOK);
            if (group.rank() == 0) {
              run.finish(pending);
            }
            rank.refuse(
                1,
                new LowLatencyFaultRank.Expected(InvalidInputException.class, "is not complete"),
                guilty -> along(guilty, pending.result().handle()),
                other -> along(other, pending.result().handle()));
            run.finish(run.combine(pending, run.finish(pending)));
            pending.result().close();
            rank.checkUsable();
          }
        });
  }

  private static void along(LowLatencyFaultRank rank, LowLatencyHandle handle) {
    LowLatencyFaultRank.CombineArguments arguments = rank.combineArguments();
    arguments.handle = handle;
    rank.make(arguments);
  }

  /// Its arrays serve later dispatches.
  @Test
  void aClosedHandleIsRefused() throws Exception {
    RankThreads.run(
        2,
        group -> {
          try (LowLatencyFaultRank rank = LowLatencyFaultRank.open(group, EXACT)) {
            for (int round = 0; round < 3; round++) {
              Dispatched dispatched = rank.run().dispatch();
              rank.run().finish(dispatched);
              LowLatencyHandle handle = dispatched.result().handle();
              dispatched.result().close();
              if (group.rank() == 0) {
                handle.close();
              }
              rank.refuse(
                  0,
                  new LowLatencyFaultRank.Expected(InvalidInputException.class, "handle is closed"),
                  guilty -> along(guilty, handle),
                  other -> along(other, handle));
              handle.close();
              handle.close();
              rank.checkUsable();
            }
          }
        });
  }
}
