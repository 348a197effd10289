package io.crossdock.verify.faults;

import static io.crossdock.verify.faults.Fault.tensor;
import static io.crossdock.verify.faults.FaultRank.HIDDEN;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;

import io.crossdock.core.BufferClosedException;
import io.crossdock.core.CombineBuffer;
import io.crossdock.core.CombineInput;
import io.crossdock.core.DType;
import io.crossdock.core.DispatchHandle;
import io.crossdock.core.DispatchInput;
import io.crossdock.core.DispatchOptions;
import io.crossdock.core.DispatchResult;
import io.crossdock.core.InvalidInputException;
import io.crossdock.core.Layout;
import io.crossdock.core.LeaseException;
import io.crossdock.core.Tensor;
import io.crossdock.verify.harness.RankThreads;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/// Handles and windows used when they must not be.
class HandlesAndLeasesTest {
  private static final FaultRank.Expected CLOSED =
      new FaultRank.Expected(InvalidInputException.class, "handle is closed: epoch=");
  private static final FaultRank.Expected FOREIGN =
      new FaultRank.Expected(InvalidInputException.class, "handle belongs to another buffer");

  @ParameterizedTest
  @MethodSource("dispatches")
  void dispatchIsRefusedByTwoRanks(Fault fault) throws Exception {
    fault.refuse(2, HandlesAndLeasesTest::cached);
  }

  @ParameterizedTest
  @MethodSource("dispatches")
  void dispatchIsRefusedByThreeRanks(Fault fault) throws Exception {
    fault.refuse(3, HandlesAndLeasesTest::cached);
  }

  @ParameterizedTest
  @MethodSource("combines")
  void combineIsRefusedByTwoRanks(Fault fault) throws Exception {
    fault.refuse(2, FaultRank::goodCombine);
  }

  @ParameterizedTest
  @MethodSource("combines")
  void combineIsRefusedByThreeRanks(Fault fault) throws Exception {
    fault.refuse(3, FaultRank::goodCombine);
  }

  private static void cached(FaultRank rank) {
    Tensor x = tensor(DType.BF16, rank.handle().numTokens(), HIDDEN);
    cached(rank, DispatchInput.rows(x), rank.handle());
  }

  private static void cached(FaultRank rank, DispatchInput input, DispatchHandle handle) {
    rank.buffer().dispatch(input, handle, DispatchOptions.DEFAULT).close();
  }

  static Stream<Fault> dispatches() {
    return Stream.of(
        new Fault("closed handle", CLOSED, r -> cached(r, rows(r), closed(r))),
        new Fault("foreign handle", FOREIGN, r -> withForeign(h -> cached(r, rows(r), h))),
        Fault.invalid(
            "choices with a handle",
            "a cached dispatch takes no top-k",
            r -> cached(r, r.batch().input(), r.handle())),
        Fault.invalid(
            "rows of other tokens",
            "rows do not fit the handle",
            r ->
                cached(
                    r,
                    DispatchInput.rows(tensor(DType.BF16, r.handle().numTokens() - 1, HIDDEN)),
                    r.handle())));
  }

  static Stream<Fault> combines() {
    return Stream.of(
        new Fault("closed handle", CLOSED, r -> r.buffer().combine(r.outputs(), closed(r))),
        new Fault(
            "foreign handle", FOREIGN, r -> withForeign(h -> r.buffer().combine(r.outputs(), h))));
  }

  private static DispatchInput rows(FaultRank rank) {
    return DispatchInput.rows(rank.batch().x());
  }

  /// {@return a handle that was closed; its arrays belong to whichever dispatch comes next}
  private static DispatchHandle closed(FaultRank rank) {
    DispatchHandle handle =
        rank.buffer().allocateOutputs(Arena.ofAuto(), rank.batch().input(), 1).handle();
    handle.close();
    return handle;
  }

  private interface HandleUse {
    void with(DispatchHandle handle) throws Exception;
  }

  private static void withForeign(HandleUse use) throws Exception {
    Foreign.with(other -> {
      other.takeLease();
      use.with(other.handle());
    });
  }

  /// Asking for a place is not collective.
  @ParameterizedTest
  @ValueSource(ints = {2, 3})
  void placeForAWrongHandle(int numRanks) throws Exception {
    RankThreads.run(
        numRanks,
        group -> {
          try (FaultRank rank = FaultRank.open(group)) {
            rank.takeLease();
            if (rank.rank() == 1) {
              DispatchHandle closed = closed(rank);
              CLOSED.check(catchThrowable(() -> rank.buffer().combineBuffer(closed)));
              withForeign(h -> FOREIGN.check(catchThrowable(() -> rank.buffer().combineBuffer(h))));
            }
            rank.checkUsable();
          }
        });
  }

  /// The others have room, yet nothing is sent: the rank without a window says who holds them.
  @ParameterizedTest
  @ValueSource(ints = {2, 3})
  void leaseHeldOnOneRankOnly(int numRanks) throws Exception {
    RankThreads.run(
        numRanks,
        group -> {
          try (FaultRank rank = FaultRank.open(group)) {
            for (int guilty = 0; guilty < numRanks; guilty++) {
              DispatchResult second = rank.calls().dispatch(guilty);
              if (rank.rank() != guilty) {
                second.close();
              }
              FaultRank.Expected expected =
                  new FaultRank.Expected(
                      LeaseException.class, ":LEASE@epoch" + second.handle().epoch());
              rank.expectRefusal(
                  guilty,
                  expected,
                  FaultRank::goodDispatch,
                  FaultRank::goodDispatch,
                  r -> second.close());
            }
          }
        });
  }

  /// A window that was handed out and not combined must not be overwritten by a staged combine.
  @ParameterizedTest
  @ValueSource(ints = {2, 3})
  void everyOutputWindowHandedOut(int numRanks) throws Exception {
    FaultRank.Expected expected =
        new FaultRank.Expected(LeaseException.class, "every expert-output window is handed out");
    RankThreads.run(
        numRanks,
        group -> {
          try (FaultRank rank = FaultRank.open(group)) {
            CombineBuffer[] places = new CombineBuffer[2];
            FaultRank.Call greedy =
                r -> {
                  places[0] = r.buffer().combineBuffer(r.handle());
                  places[1] = r.buffer().combineBuffer(r.handle());
                  places[0].tensor().segment().fill((byte) 7);
                  Throwable third = catchThrowable(() -> r.buffer().combineBuffer(r.handle()));
                  expected.check(third);
                  r.goodCombine();
                };
            FaultRank.Call after =
                r -> {
                  assertThat(places[0].tensor().segment().toArray(ValueLayout.JAVA_BYTE))
                      .containsOnly(7);
                  places[0].close();
                  places[1].close();
                };
            rank.expectRefusal(1, expected, greedy, FaultRank::goodCombine, after);
          }
        });
  }

  /// Outputs in a place that was combined before lie in memory that belongs to the readers.
  @ParameterizedTest
  @ValueSource(ints = {2, 3})
  void placeCombinedTwice(int numRanks) throws Exception {
    FaultRank.Expected expected = new FaultRank.Expected(LeaseException.class, "not handed out");
    RankThreads.run(
        numRanks,
        group -> {
          try (FaultRank rank = FaultRank.open(group)) {
            DispatchResult got = rank.calls().dispatch(5);
            CombineBuffer place = rank.buffer().combineBuffer(got.handle());
            CombineInput input = CombineInput.of(place.tensor());
            rank.buffer().combine(input, got.handle());
            got.close();
            rank.expectRefusal(
                0,
                expected,
                r -> r.buffer().combine(input, got.handle()),
                r -> r.buffer().combine(CombineInput.of(copy(place.tensor())), got.handle()));
          }
        });
  }

  private static Tensor copy(Tensor like) {
    return Fault.copy(like, Arena.ofAuto());
  }

  /// A closed buffer says so, in every call, and its peers hear that it left.
  @ParameterizedTest
  @ValueSource(ints = {1, 3})
  void closedBuffer(int numRanks) throws Exception {
    RankThreads.run(
        numRanks,
        group -> {
          FaultRank rank = FaultRank.open(group);
          rank.takeLease();
          group.barrier();
          DispatchInput input = rank.batch().input();
          Layout layout = rank.layout();
          rank.close();
          rank.close();
          Stream.<FaultRank.Call>of(
                  r -> r.buffer().dispatch(input, layout),
                  r -> r.buffer().dispatch(rows(r), r.handle(), DispatchOptions.DEFAULT),
                  FaultRank::goodCombine,
                  FaultRank::layout,
                  r -> r.buffer().combineBuffer(r.handle()),
                  r -> r.buffer().reset())
              .forEach(call ->
                  assertThat(catchThrowable(() -> call.make(rank)))
                      .isExactlyInstanceOf(BufferClosedException.class)
                      .hasMessageContaining("buffer is closed: rank=" + rank.rank()));
          rank.endLease();
        });
  }
}
