package io.crossdock.verify.faults;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;

import io.crossdock.core.AbortedException;
import io.crossdock.core.BufferClosedException;
import io.crossdock.core.CallOptions;
import io.crossdock.core.CapacityException;
import io.crossdock.core.CombineInput;
import io.crossdock.core.CombineOptions;
import io.crossdock.core.DType;
import io.crossdock.core.DispatchInput;
import io.crossdock.core.DispatchOptions;
import io.crossdock.core.DispatchOutputs;
import io.crossdock.core.DispatchResult;
import io.crossdock.core.EventOverlap;
import io.crossdock.core.ExecutionStream;
import io.crossdock.core.InvalidInputException;
import io.crossdock.core.Placement;
import io.crossdock.core.Tensor;
import io.crossdock.verify.harness.RankThreads;
import java.lang.foreign.Arena;
import java.lang.foreign.SegmentAllocator;
import java.lang.foreign.ValueLayout;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/// Errors that come out after a call was admitted: on the communication stream, while outputs are
/// allocated, or when the counts of all ranks are known.
class LateErrorsTest {
  private static final SegmentAllocator NO_MEMORY =
      (byteSize, byteAlignment) -> {
        throw new IllegalStateException("no memory today: byteSize=" + byteSize);
      };
  private static final FaultRank.Expected NO_MEMORY_LEFT =
      new FaultRank.Expected(IllegalStateException.class, "no memory today");
  private static final DispatchOptions WORST = DispatchOptions.DEFAULT.withNumWorstTokens(24);

  @ParameterizedTest
  @MethodSource("dispatches")
  void dispatchIsRefused(Fault fault) throws Exception {
    fault.refuse(3, FaultRank::goodDispatch);
  }

  @ParameterizedTest
  @MethodSource("combines")
  void combineIsRefused(Fault fault) throws Exception {
    fault.refuse(3, FaultRank::goodCombine);
  }

  static Stream<Fault> dispatches() {
    CallOptions async = CallOptions.DEFAULT.async();
    DispatchOptions after = DispatchOptions.DEFAULT.withCall(CallOptions.DEFAULT.after(failed()));
    return Stream.of(
        new Fault(
            "event before failed, into outputs",
            new FaultRank.Expected(IllegalArgumentException.class, "event failed"),
            LateErrorsTest::dispatchInto),
        Fault.invalid(
            "bad choice, asynchronous",
            "expert=99",
            r -> dispatch(r, badChoice(r), DispatchOptions.DEFAULT.withCall(async))),
        Fault.invalid(
            "bad choice, asynchronous, sizes known",
            "expert=99",
            r -> dispatch(r, badChoice(r), WORST.withCall(async))),
        new Fault(
            "event before failed",
            new FaultRank.Expected(IllegalArgumentException.class, "event failed"),
            r -> dispatch(r, r.batch().input(), after)),
        new Fault(
            "event before failed, asynchronous",
            new FaultRank.Expected(IllegalArgumentException.class, "event failed"),
            r -> dispatch(r, r.batch().input(), after.withCall(async.after(failed())))),
        new Fault(
            "no memory, sizes known",
            NO_MEMORY_LEFT,
            r ->
                dispatch(
                    r,
                    r.batch().input(),
                    WORST.withCall(async).withPlacement(Placement.owned(NO_MEMORY)))),
        Fault.invalid(
            "closed arena", "allocator is a closed arena", r -> dispatch(r, owned(closed()))),
        Fault.invalid(
            "confined arena",
            "allocator lies in memory confined to one thread",
            r -> {
              try (Arena arena = Arena.ofConfined()) {
                dispatch(r, owned(arena));
              }
            }));
  }

  private static void dispatch(FaultRank rank, DispatchOptions options) {
    dispatch(rank, rank.batch().input(), options);
  }

  private static void dispatch(FaultRank rank, DispatchInput input, DispatchOptions options) {
    try (DispatchResult result = rank.buffer().dispatch(input, rank.layout(), options)) {
      result.event().currentStreamWait();
    }
  }

  private static DispatchOptions owned(Arena arena) {
    return DispatchOptions.DEFAULT.withPlacement(Placement.owned(arena));
  }

  private static Arena closed() {
    Arena arena = Arena.ofShared();
    arena.close();
    return arena;
  }

  private static DispatchInput badChoice(FaultRank rank) {
    Tensor ids = Fault.copy(rank.batch().topkIdx(), Arena.ofAuto());
    ids.segment().set(ValueLayout.JAVA_LONG, 0, 99);
    return rank.batch().input().withTopkIdx(ids);
  }

  private static EventOverlap failed() {
    try (ExecutionStream stream = ExecutionStream.create("failing")) {
      return stream.submit(() -> {
        throw new IllegalArgumentException("event failed");
      });
    }
  }

  static Stream<Fault> combines() {
    CallOptions async = CallOptions.DEFAULT.async();
    return Stream.of(
        new Fault(
            "no memory",
            NO_MEMORY_LEFT,
            r -> combine(r, CombineOptions.DEFAULT.withAllocator(NO_MEMORY))),
        new Fault(
            "no memory, asynchronous",
            NO_MEMORY_LEFT,
            r -> combine(r, CombineOptions.DEFAULT.withCall(async).withAllocator(NO_MEMORY))),
        new Fault(
            "event before failed",
            new FaultRank.Expected(IllegalArgumentException.class, "event failed"),
            r -> combine(r, CombineOptions.DEFAULT.withCall(CallOptions.DEFAULT.after(failed())))),
        new Fault(
            "event before failed, asynchronous",
            new FaultRank.Expected(IllegalArgumentException.class, "event failed"),
            r -> combine(r, CombineOptions.DEFAULT.withCall(async.after(failed())))),
        new Fault(
            "event before failed, into outputs",
            new FaultRank.Expected(IllegalArgumentException.class, "event failed"),
            LateErrorsTest::combineInto),
        Fault.invalid(
            "closed arena",
            "allocator is a closed arena",
            r -> combine(r, CombineOptions.DEFAULT.withAllocator(closed()))));
  }

  private static void combine(FaultRank rank, CombineOptions options) {
    rank.buffer().combine(rank.outputs(), rank.handle(), options).event().currentStreamWait();
  }

  private static void combineInto(FaultRank rank) {
    long tokens = rank.handle().numTokens();
    CombineInput input = CombineInput.of(rank.outputs().y());
    Tensor sums = Fault.tensor(DType.BF16, tokens, FaultRank.HIDDEN);
    CombineOptions late = CombineOptions.DEFAULT.withCall(CallOptions.DEFAULT.after(failed()));
    rank.buffer().combineInto(input, rank.handle(), late, sums, null);
  }

  private static void dispatchInto(FaultRank rank) {
    DispatchInput input = rank.batch().input();
    DispatchOutputs outputs = rank.buffer().allocateOutputs(Arena.ofAuto(), input, 24);
    DispatchOptions late = DispatchOptions.DEFAULT.withCall(CallOptions.DEFAULT.after(failed()));
    rank.buffer().dispatchInto(input, rank.layout(), late, outputs);
  }

  /// All ranks know all counts, so all see that one rank's outputs are too small.
  @ParameterizedTest
  @ValueSource(ints = {2, 3})
  void tooFewWorstCaseRows(int numRanks) throws Exception {
    FaultRank.Expected expected = new FaultRank.Expected(CapacityException.class, "outputRows=1");
    DispatchOptions few = DispatchOptions.DEFAULT.withNumWorstTokens(1);
    DispatchOptions fewOwned = few.withPlacement(Placement.owned(Arena.ofAuto()));
    DispatchOptions fewAsync = few.withCall(CallOptions.DEFAULT.async());
    RankThreads.run(
        numRanks,
        group -> {
          try (FaultRank rank = FaultRank.open(group)) {
            rank.expectOnAll(expected, r -> dispatch(r, few));
            rank.expectOnAll(expected, r -> dispatch(r, fewOwned));
            rank.expectOnAll(expected, r -> dispatch(r, fewAsync));
            boolean small = rank.rank() == 1;
            DispatchOptions enough = DispatchOptions.DEFAULT.withNumWorstTokens(8L * numRanks);
            rank.expectOnAll(expected, r -> dispatch(r, small ? few : enough));
          }
        });
  }

  /// A borrowed result must fit the window; an owned one is brought in rounds.
  @ParameterizedTest
  @ValueSource(ints = {2, 3})
  void windowTooSmall(int numRanks) throws Exception {
    FaultRank.Expected expected =
        new FaultRank.Expected(CapacityException.class, "windowRows=2, remedy=");
    RankThreads.run(
        numRanks,
        group -> {
          try (FaultRank rank = FaultRank.open(group, FaultRank.spec().capacityRows(2).build())) {
            for (long seed = 0; seed < 3; seed++) {
              expected.check(catchThrowable(rank::goodDispatch));
              ownedCall(rank, seed);
            }
          }
        });
  }

  private static void ownedCall(FaultRank rank, long seed) {
    DispatchInput input = rank.calls().batch(seed).input();
    DispatchResult got =
        rank.buffer()
            .dispatch(input, rank.calls().layout(rank.calls().batch(seed)), owned(Arena.ofAuto()));
    rank.calls().check(seed, got);
    new FaultRank.Expected(CapacityException.class, "expert outputs do not fit one window: rows=")
        .check(catchThrowable(() -> rank.buffer().combineBuffer(got.handle())));
    rank.calls().combine(seed, got);
  }

  /// Peers place rows already when the outputs turn out not to be had: the buffer is aborted, with
  /// the reason, and usable again after a reset.
  @ParameterizedTest
  @ValueSource(ints = {2, 3})
  void noMemoryInTheMiddleOfACallAborts(int numRanks) throws Exception {
    DispatchOptions noMemory = DispatchOptions.DEFAULT.withPlacement(Placement.owned(NO_MEMORY));
    RankThreads.run(
        numRanks,
        group -> {
          try (FaultRank rank = FaultRank.open(group)) {
            boolean guilty = rank.rank() == 1;
            Throwable thrown =
                catchThrowable(() -> dispatch(rank, guilty ? noMemory : DispatchOptions.DEFAULT));
            if (guilty) {
              NO_MEMORY_LEFT.check(thrown);
            } else {
              assertThat(thrown)
                  .isInstanceOfAny(AbortedException.class, BufferClosedException.class)
                  .hasMessageContaining("origin=1")
                  .hasMessageContaining("no memory today");
            }
            assertThat(catchThrowable(rank::goodDispatch))
                .isExactlyInstanceOf(BufferClosedException.class)
                .hasMessageContaining("aborted and not reset: origin=1")
                .hasMessageContaining("no memory today");
            rank.buffer().reset();
            rank.takeLease();
            rank.checkUsable();
          }
        });
  }

  /// The exception of an asynchronous call stays with its event; the stream goes on.
  @Test
  void failedCallDoesNotFailTheNext() throws Exception {
    Foreign.with(rank -> {
      DispatchOptions async =
          DispatchOptions.DEFAULT.withNumWorstTokens(8).withCall(CallOptions.DEFAULT.async());
      DispatchResult bad = rank.buffer().dispatch(badChoice(rank), rank.layout(), async);
      DispatchResult good = rank.buffer().dispatch(rank.batch().input(), rank.layout(), async);
      good.close();
      assertThat(catchThrowable(bad::close)).isInstanceOf(InvalidInputException.class);
      assertThat(catchThrowable(bad::close)).hasCauseInstanceOf(InvalidInputException.class);
      rank.takeLease();
      rank.checkUsable();
    });
  }
}
