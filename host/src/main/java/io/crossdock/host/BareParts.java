package io.crossdock.host;

import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.crossdock.core.BareCosts;
import io.crossdock.core.BufferSpec;
import io.crossdock.core.InvalidInputException;
import io.crossdock.core.WaitTimeoutException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.VarHandle;
import java.util.Arrays;

/// Times the kernels, copies and flags that low-latency calls are made of, each alone and by the
/// same code, on the lanes that the next call would use.
///
/// Confined to one call at a time; no call may be in flight on any rank.
final class BareParts {
  private static final VarHandle LONG = JAVA_LONG.varHandle();

  /// First of the values that travel: no lane holds them by chance.
  private static final long FIRST = 0x5eed_c0de_0000_0000L;

  private final LowLatencyContext context;
  private final Fp8CastKernel cast;
  private final int hidden;
  private final long scaleBytes;
  private final int peer;
  private long value = FIRST;

  BareParts(LowLatencyContext context, Fp8CastKernel cast) {
    this.context = context;
    this.cast = cast;
    this.hidden = context.hidden;
    this.scaleBytes = context.host.spec.maxScaleBytes();
    this.peer = (context.rank + 1) % context.numRanks;
  }

  /// {@return medians of so many runs; ranks 0 and 1 exchange flags}
  BareCosts measure(int rounds) {
    if (hidden % BufferSpec.CHANNELS_PER_SCALE != 0
        || context.host.spec.numMaxTokensPerRank() < 1) {
      throw new InvalidInputException(
          "bare costs need whole groups and a slot: hidden=" + hidden + ", rounds=" + rounds);
    }
    long lane = context.state.epoch() + 1;
    MemorySegment mine = context.pages[context.rank];
    MemorySegment theirs = context.lanes.at(peer);
    long to = context.layout.rows(lane, context.rank);
    long toScales = context.layout.scales(lane, context.rank);
    long reply = context.layout.replies(lane, context.rank);
    long from = context.layout.rows(lane, peer);
    long fromScales = context.layout.scales(lane, peer);
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment row = arena.allocate(hidden * 2L, 64).fill((byte) 0x3f);
      MemorySegment packed = arena.allocate(hidden + scaleBytes, 64);
      double casting = median(rounds, () -> cast.cast(row, 0, theirs, to, toScales));
      double copying =
          median(
              rounds,
              () -> {
                MemorySegment.copy(mine, from, packed, 0, hidden);
                MemorySegment.copy(mine, fromScales, packed, hidden, scaleBytes);
              });
      double replying =
          median(rounds, () -> MemorySegment.copy(row, 0, theirs, reply, hidden * 2L));
      boolean paired = context.numRanks > 1 && context.rank < 2 && context.lanes.isNear(1);
      double flags = paired ? pingPong(rounds, reply) : 0;
      return new BareCosts(casting, copying, replying, flags);
    }
  }

  private static double median(int rounds, Runnable part) {
    long[] nanos = new long[rounds];
    for (int i = 0; i < rounds; i++) {
      long start = System.nanoTime();
      part.run();
      nanos[i] = System.nanoTime() - start;
    }
    Arrays.sort(nanos);
    return nanos[rounds / 2];
  }

  private double pingPong(int rounds, long mine) {
    int other = 1 - context.rank;
    long theirs = context.layout.replies(context.state.epoch() + 1, other);
    return median(
        rounds,
        () -> {
          value++;
          if (context.rank == 0) {
            LONG.setRelease(context.pages[other], mine, value);
            await(other, theirs);
          } else {
            await(other, theirs);
            LONG.setRelease(context.pages[other], mine, value);
          }
        });
  }

  /// Waits as calls do: spins, then yields.
  private void await(int other, long cell) {
    MemorySegment page = context.pages[context.rank];
    long start = System.nanoTime();
    for (long turn = 0; (long) LONG.getAcquire(page, cell) != value; turn++) {
      if (turn < Waiter.SPINS) {
        Thread.onSpinWait();
        continue;
      }
      Thread.yield();
      long waited = System.nanoTime() - start;
      if (waited > context.host.spec.hostTimeout().toNanos()) {
        long seen = (long) LONG.getAcquire(page, cell);
        throw new WaitTimeoutException(
            new WaitTimeoutException.Facts(context.rank, other, "PING_PONG", value, seen, waited));
      }
    }
  }
}
