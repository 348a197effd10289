package io.crossdock.verify.faults;

import io.crossdock.core.AbortedException;
import io.crossdock.core.BufferClosedException;
import io.crossdock.core.CrossdockException;
import io.crossdock.core.WaitTimeoutException;
import io.crossdock.core.group.ProcessGroup;
import io.crossdock.verify.harness.RankBody;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.List;

/// Makes calls, each checked byte by byte, until one fails because a rank stood still too long;
/// then all reset the buffer and go on. A lease from before the failure keeps its bytes through it
/// all.
public final class ResetBody implements RankBody {
  private final int numResets;
  private final Duration timeout;

  /// @param arguments resets to be made, time-out in milliseconds
  public ResetBody(List<String> arguments) {
    numResets = Integer.parseInt(arguments.get(0));
    timeout = Duration.ofMillis(Long.parseLong(arguments.get(1)));
  }

  /// {@return what a rank prints, and more, when a call failed}
  ///
  /// @param resets made so far
  static String failed(int resets) {
    return "resets=" + resets + ", call failed: ";
  }

  /// {@return what a rank prints when it makes calls again}
  ///
  /// @param resets made so far
  static String running(int resets) {
    return "resets=" + resets + ", calls are running";
  }

  @Override
  public void run(ProcessGroup group) {
    warmUp(group);
    try (FaultRank rank = FaultRank.open(group, FaultRank.spec().hostTimeout(timeout).build())) {
      long call = 0;
      for (int reset = 0; reset < numResets; reset++) {
        call = highest(group, callUntilFailure(rank, call, reset));
        rank.reset();
      }
      rank.takeLease();
      rank.checkUsable();
    }
  }

  /// The first calls of all may take longer than a rank may stand still.
  private static void warmUp(ProcessGroup group) {
    try (FaultRank rank = FaultRank.open(group)) {
      rank.takeLease();
      rank.checkUsable();
    }
  }

  /// {@return the number of the call that failed}
  private static long callUntilFailure(FaultRank rank, long first, int resets) {
    long call = first;
    try {
      rank.takeLease();
      System.out.println(running(resets));
      while (true) {
        rank.calls().run(call % 16);
        call++;
      }
    } catch (WaitTimeoutException | AbortedException | BufferClosedException e) {
      report(e, resets);
      return call;
    }
  }

  private static void report(CrossdockException failure, int resets) {
    System.out.println(
        failed(resets) + failure.getClass().getSimpleName() + ": " + failure.getMessage());
  }

  /// A rank may have finished a call that failed on others.
  private static long highest(ProcessGroup group, long call) {
    long highest = 0;
    for (byte[] theirs : group.allGather(ByteBuffer.allocate(8).putLong(call).array())) {
      highest = Math.max(highest, ByteBuffer.wrap(theirs).getLong());
    }
    return highest;
  }
}
