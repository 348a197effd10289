package io.crossdock.verify.contract.lowlatency;

import io.crossdock.core.InvalidInputException;
import io.crossdock.core.LowLatencyFormat;
import io.crossdock.core.Tensor;
import io.crossdock.verify.harness.RankThreads;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.function.BiConsumer;

/// A wrong low-latency call and what it throws on the rank that makes it.
///
/// Safe for any thread.
///
/// @param name of the test
/// @param expected exception
/// @param wrong the call
/// @param right what the others call
record LowLatencyFault(
    String name,
    LowLatencyFaultRank.Expected expected,
    LowLatencyFaultRank.Call wrong,
    LowLatencyFaultRank.Call right) {

  private static final int HIDDEN = 256;
  private static final MemorySegment CONFINED = Arena.ofConfined().allocate(1 << 16);

  /// Changes an argument of a dispatch for the worse.
  interface DispatchChange
      extends BiConsumer<LowLatencyFaultRank, LowLatencyFaultRank.DispatchArguments> {}

  /// Changes an argument of a combine for the worse.
  interface CombineChange
      extends BiConsumer<LowLatencyFaultRank, LowLatencyFaultRank.CombineArguments> {}

  static LowLatencyFault dispatch(
      String name, Class<? extends Throwable> type, String fragment, DispatchChange change) {
    return new LowLatencyFault(
        name,
        new LowLatencyFaultRank.Expected(type, fragment),
        rank -> {
          LowLatencyFaultRank.DispatchArguments arguments = rank.dispatchArguments();
          change.accept(rank, arguments);
          rank.make(arguments).close();
        },
        LowLatencyFaultRank::goodDispatch);
  }

  static LowLatencyFault dispatch(String name, String fragment, DispatchChange change) {
    return dispatch(name, InvalidInputException.class, fragment, change);
  }

  static LowLatencyFault combine(
      String name, Class<? extends Throwable> type, String fragment, CombineChange change) {
    return new LowLatencyFault(
        name,
        new LowLatencyFaultRank.Expected(type, fragment),
        rank -> {
          LowLatencyFaultRank.CombineArguments arguments = rank.combineArguments();
          change.accept(rank, arguments);
          rank.make(arguments);
        },
        LowLatencyFaultRank::goodCombine);
  }

  static LowLatencyFault combine(String name, String fragment, CombineChange change) {
    return combine(name, InvalidInputException.class, fragment, change);
  }

  /// The last rank makes the wrong call, then the first one does.
  void refuse(int numRanks) throws Exception {
    refuse(numRanks, LowLatencyFormat.FP8, HIDDEN);
  }

  /// As the other, with rows of another kind.
  void refuse(int numRanks, LowLatencyFormat format, int hidden) throws Exception {
    LowLatencyExpected exact = LowLatencyFaultRank.expected(numRanks, format, hidden);
    RankThreads.run(
        numRanks,
        group -> {
          try (LowLatencyFaultRank rank = LowLatencyFaultRank.open(group, exact)) {
            rank.expectRefusal(numRanks - 1, expected, wrong, right);
            rank.expectRefusal(0, expected, wrong, right);
          }
        });
  }

  /// {@return a tensor of the same shape in memory that was freed}
  static Tensor freed(Tensor like) {
    try (Arena gone = Arena.ofShared()) {
      return Tensor.allocate(gone, like.dtype(), like.shape());
    }
  }

  /// {@return a tensor of the same shape in memory of one thread}
  static Tensor confined(Tensor like) {
    return Tensor.of(CONFINED.asSlice(0, like.spanBytes()), like.dtype(), like.shape());
  }

  @Override
  public String toString() {
    return name;
  }
}
