package io.crossdock.verify.contract.lowlatency;

import io.crossdock.core.BufferSpec;
import io.crossdock.core.CombineFormat;
import io.crossdock.core.EpBuffer;
import io.crossdock.core.LowLatencyCompletion;
import io.crossdock.core.LowLatencyFormat;
import io.crossdock.core.group.GroupOptions;
import io.crossdock.core.group.ProcessGroup;
import io.crossdock.cuda.CudaStream;
import io.crossdock.verify.contract.lowlatency.LowLatencyCase.Experts;
import io.crossdock.verify.contract.lowlatency.LowLatencyCase.Place;
import io.crossdock.verify.contract.lowlatency.LowLatencyCase.Sizes;
import io.crossdock.verify.contract.lowlatency.LowLatencyRecording.Parts;
import io.crossdock.verify.harness.EngineUnderTest;
import io.crossdock.verify.harness.OnCuda;
import io.crossdock.verify.harness.RankThreads;
import java.time.Duration;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// Many low-latency calls on one buffer, eager ones with all options and replayed ones mixed, with
/// random pauses of each rank. Every byte of every call is compared with the routing reference.
/// `-Dcrossdock.soak.calls` sets how many calls there are, dispatches and combines together.
@OnCuda
class GpuLowLatencySoakTest {
  private static final int CALLS = Integer.getInteger("crossdock.soak.calls", 2000);
  private static final long SEED = Long.getLong("crossdock.seed", 20_261_126);
  private static final Duration LONGEST = Duration.ofSeconds(580);
  private static final int NUM_RANKS = 4;
  private static final int EAGER_CASES = 96;
  private static final int REPLAYED_CASES = 16;
  private static final long MAX_PAUSE_NANOS = 300_000;

  /// Pairs of calls with the same graphs.
  private static final int PAIRS_OF_A_RECORDING = 200;

  private static final Sizes SIZES = GpuLowLatencyGraphTest.sizes(NUM_RANKS);

  /// Calls that are captured, one kind after the other.
  private static final List<GpuLowLatencyGraphTest.Kind> KINDS = kinds();

  private static List<GpuLowLatencyGraphTest.Kind> kinds() {
    LowLatencyCompletion now = LowLatencyCompletion.SYNCHRONOUS;
    LowLatencyCompletion hook = LowLatencyCompletion.RECV_HOOK;
    CombineFormat plain = CombineFormat.BF16;
    CombineFormat encoded = CombineFormat.LOGFMT10;
    return List.of(
        new GpuLowLatencyGraphTest.Kind(LowLatencyFormat.BF16, plain, now, Place.COMBINE_BUFFER),
        new GpuLowLatencyGraphTest.Kind(LowLatencyFormat.FP8, plain, hook, Place.TENSOR),
        new GpuLowLatencyGraphTest.Kind(LowLatencyFormat.FP8, plain, now, Place.TENSOR),
        new GpuLowLatencyGraphTest.Kind(LowLatencyFormat.FP8_UE8M0, encoded, hook, Place.TENSOR),
        new GpuLowLatencyGraphTest.Kind(LowLatencyFormat.BF16, encoded, now, Place.TENSOR));
  }

  /// What all ranks compare with, made once.
  private record Pool(List<LowLatencyExpected> eager, List<List<LowLatencyExpected>> replayed) {
    static Pool make() {
      return new Pool(
          IntStream.range(0, EAGER_CASES)
              .mapToObj(i -> LowLatencyExpected.of(LowLatencyCase.random(SEED * 7 + i, SIZES)))
              .toList(),
          KINDS.stream()
              .map(kind ->
                  IntStream.range(0, REPLAYED_CASES)
                      .mapToObj(i -> kind.expected(SEED + i, NUM_RANKS, Experts.SCALED))
                      .toList())
              .toList());
    }
  }

  @Test
  @Timeout(value = 600, unit = TimeUnit.SECONDS, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
  void eagerAndReplayedCalls() throws Exception {
    System.out.printf("low-latency soak: seed=%d, ranks=%d, calls=%d%n", SEED, NUM_RANKS, CALLS);
    Pool pool = Pool.make();
    long start = System.nanoTime();
    RankThreads.run(
        NUM_RANKS,
        GroupOptions.defaults(),
        LONGEST,
        group -> new Soak(pool, group.rank()).run(group));
    System.out.printf(
        "low-latency soak: seconds=%d%n", (System.nanoTime() - start) / 1_000_000_000);
  }

  /// The calls of one rank.
  private static final class Soak {
    private final Pool pool;
    private final SplittableRandom common = new SplittableRandom(SEED);
    private final SplittableRandom own;
    private int numPairs;
    private int numReplayed;

    Soak(Pool pool, int rank) {
      this.pool = pool;
      this.own = new SplittableRandom(SEED * 10 + rank);
    }

    void run(ProcessGroup group) {
      BufferSpec spec = pool.eager.getFirst().test().spec();
      try (EpBuffer buffer = EpBuffer.open(EngineUnderTest.open(), spec, group);
          CudaStream stream = CudaStream.create(buffer.memory().device().index())) {
        for (int kind = 0; 2 * numPairs < CALLS; kind = (kind + 1) % KINDS.size()) {
          List<LowLatencyExpected> replayed = pool.replayed.get(kind);
          try (LowLatencyRecording recording =
              new LowLatencyRecording(replayed.getFirst(), Parts.TWO_GRAPHS, buffer, stream)) {
            mix(buffer, stream, recording, replayed);
          }
          buffer.group().barrier();
        }
      } catch (RuntimeException | AssertionError e) {
        throw new AssertionError(
            "seed=" + SEED + ", pair=" + numPairs + ", rank=" + group.rank() + ": " + e, e);
      }
      if (group.rank() == 0) {
        System.out.printf(
            "low-latency soak: pairs=%d, replayed=%d, all exact%n", numPairs, numReplayed);
      }
    }

    private void mix(
        EpBuffer buffer,
        CudaStream stream,
        LowLatencyRecording recording,
        List<LowLatencyExpected> replayed) {
      for (int i = 0; i < PAIRS_OF_A_RECORDING && 2 * numPairs < CALLS; i++) {
        numPairs++;
        pause();
        switch (common.nextInt(4)) {
          case 0 -> eager(buffer);
          case 1 -> {
            try (CudaStream.Current _ = stream.makeCurrent()) {
              eager(buffer);
            }
          }
          default -> {
            numReplayed++;
            recording.replay(replayed.get(common.nextInt(REPLAYED_CASES)));
          }
        }
      }
    }

    private void eager(EpBuffer buffer) {
      LowLatencyExpected expected = pool.eager.get(common.nextInt(EAGER_CASES));
      LowLatencyRun.once(expected, buffer);
      buffer.check();
    }

    private void pause() {
      if (own.nextInt(8) == 0) {
        LockSupport.parkNanos(own.nextLong(MAX_PAUSE_NANOS));
      }
    }
  }
}
