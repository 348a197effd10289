package io.crossdock.verify.faults;

import io.crossdock.core.DType;
import io.crossdock.core.InvalidInputException;
import io.crossdock.core.Tensor;
import io.crossdock.verify.harness.RankThreads;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/// A wrong call and what it throws on the rank that makes it.
///
/// Safe for any thread.
///
/// @param name of the test
/// @param expected exception
/// @param wrong the call
record Fault(String name, FaultRank.Expected expected, FaultRank.Call wrong) {

  /// A call that is answered with an [InvalidInputException].
  static Fault invalid(String name, String fragment, FaultRank.Call wrong) {
    return new Fault(name, new FaultRank.Expected(InvalidInputException.class, fragment), wrong);
  }

  /// A call with a null argument.
  static Fault nullArgument(String argument, FaultRank.Call wrong) {
    return new Fault(argument, new FaultRank.Expected(NullPointerException.class, argument), wrong);
  }

  /// The last rank makes the wrong call, then the first one does.
  void refuse(int numRanks, FaultRank.Call right) throws Exception {
    RankThreads.run(
        numRanks,
        group -> {
          try (FaultRank rank = FaultRank.open(group)) {
            rank.expectRefusal(numRanks - 1, expected, wrong, right);
            rank.expectRefusal(0, expected, wrong, right);
          }
        });
  }

  /// {@return an empty tensor}
  static Tensor tensor(DType dtype, long... shape) {
    return Tensor.allocate(Arena.ofAuto(), dtype, shape);
  }

  /// {@return a copy in other memory}
  static Tensor copy(Tensor like, Arena arena) {
    Tensor copy = Tensor.allocate(arena, like.dtype(), like.shape());
    MemorySegment.copy(like.segment(), 0, copy.segment(), 0, like.spanBytes());
    return copy;
  }

  /// {@return a copy in memory that was freed since}
  static Tensor freed(Tensor like) {
    try (Arena arena = Arena.ofShared()) {
      return copy(like, arena);
    }
  }

  @Override
  public String toString() {
    return name;
  }
}
