package io.crossdock.verify.contract.lowlatency;

import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.crossdock.core.BufferSpec;
import io.crossdock.core.BufferSpecBuilder;
import io.crossdock.core.DType;
import io.crossdock.core.Engines;
import io.crossdock.core.EpBuffer;
import io.crossdock.core.InvalidInputException;
import io.crossdock.core.LowLatencyDispatchOptions;
import io.crossdock.core.Mode;
import io.crossdock.core.RefusedException;
import io.crossdock.core.Tensor;
import io.crossdock.core.group.ProcessGroup;
import io.crossdock.verify.contract.lowlatency.LowLatencyCase.Sizes;
import io.crossdock.verify.contract.lowlatency.LowLatencyRun.Combined;
import io.crossdock.verify.contract.lowlatency.LowLatencyRun.Dispatched;
import io.crossdock.verify.harness.EngineUnderTest;
import io.crossdock.verify.harness.ExactCalls;
import io.crossdock.verify.harness.RankBody;
import java.lang.foreign.Arena;
import java.time.Duration;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.locks.LockSupport;

/// Random low-latency calls of random shapes on one buffer, alone and as two micro-batches, with
/// pauses between the halves, refusals, and calls of normal mode in between; every result is
/// checked.
///
/// Confined to the thread of the rank.
public final class LowLatencySoakBody implements RankBody {
  private static final int HIDDEN = 256;
  private static final int MAX_TOKENS = 129;
  private static final int MAX_LOCAL_EXPERTS = 8;
  private static final int[] TOKENS = {0, 1, 2, 5, 13, 13, 40, MAX_TOKENS};
  private static final long MAX_PAUSE_NANOS = 3_000_000;

  private final String engine;
  private final long seed;
  private final int numIterations;
  private SplittableRandom common;
  private SplittableRandom own;
  private int numPairs;
  private int numRefusals;
  private int numNormal;
  private int numPauses;

  /// @param arguments engine, seed, number of iterations
  public LowLatencySoakBody(List<String> arguments) {
    engine = arguments.get(0);
    seed = Long.parseLong(arguments.get(1));
    numIterations = Integer.parseInt(arguments.get(2));
  }

  @Override
  public void run(ProcessGroup group) {
    common = new SplittableRandom(seed);
    own = new SplittableRandom(seed * 10 + group.rank());
    try (EpBuffer buffer = EpBuffer.open(Engines.open(engine), spec(group.size()), group)) {
      ExactCalls normal = new ExactCalls(buffer);
      for (int i = 0; i < numIterations; i++) {
        pause();
        switch (common.nextInt(20)) {
          case 0 -> refuse(buffer, common.nextInt(group.size()));
          case 1 -> normal(buffer, normal, seed + i);
          case 2, 3, 4, 5, 6, 7, 8, 9 -> pair(buffer, seed * 100_000 + i);
          default -> single(buffer, seed * 100_000 + i);
        }
      }
    }
    if (group.rank() == 0) {
      System.out.println(summary(group.size()));
    }
  }

  private static BufferSpec spec(int numRanks) {
    int experts = numRanks * MAX_LOCAL_EXPERTS;
    BufferSpecBuilder plain =
        BufferSpec.builder()
            .mode(Mode.LOW_LATENCY)
            .numMaxTokensPerRank(MAX_TOKENS)
            .hidden(HIDDEN)
            .topk(Math.min(BufferSpec.MAX_TOPK, experts))
            .numExperts(experts);
    return EngineUnderTest.bounded(plain, Duration.ofSeconds(60)).build();
  }

  private String summary(int numRanks) {
    return "low-latency soak: seed=%d, ranks=%d, iterations=%d, pairs=%d, refusals=%d, normal=%d, "
            .formatted(seed, numRanks, numIterations, numPairs, numRefusals, numNormal)
        + "pausesOfRank0="
        + numPauses;
  }

  /// Halts this rank now and then.
  private void pause() {
    if (own.nextInt(12) == 0) {
      numPauses++;
      LockSupport.parkNanos(own.nextLong(MAX_PAUSE_NANOS));
    }
  }

  private LowLatencyCase draw(long caseSeed, int numRanks) {
    Integer[] tokens = new Integer[numRanks];
    Arrays.setAll(tokens, r -> LowLatencyCase.pick(common, TOKENS));
    int experts = numRanks * (1 + common.nextInt(MAX_LOCAL_EXPERTS));
    int topk = 1 + common.nextInt(Math.min(BufferSpec.MAX_TOPK, experts));
    int most = Collections.max(Arrays.asList(tokens));
    Sizes sizes = new Sizes(List.of(tokens), most, MAX_TOKENS - most, HIDDEN, experts, topk);
    return LowLatencyCase.random(caseSeed, sizes);
  }

  private void single(EpBuffer buffer, long caseSeed) {
    LowLatencyCase test = draw(caseSeed, buffer.group().size());
    try (Arena arena = Arena.ofShared()) {
      LowLatencyRun run = new LowLatencyRun(LowLatencyExpected.of(test), buffer, arena);
      Dispatched dispatched = run.dispatch();
      pause();
      LowLatencyReceived received = run.finish(dispatched);
      pause();
      Combined combined = run.combine(dispatched, received);
      pause();
      run.finish(combined);
      dispatched.close();
    } catch (RuntimeException | AssertionError e) {
      throw failed(buffer, test, e);
    }
  }

  private static AssertionError failed(EpBuffer buffer, Object test, Throwable cause) {
    return new AssertionError("case=" + test + ", rank=" + buffer.group().rank(), cause);
  }

  /// Two micro-batches at once; each rank finishes them in an order of its own.
  private void pair(EpBuffer buffer, long caseSeed) {
    numPairs++;
    LowLatencyCase left = draw(caseSeed, buffer.group().size());
    LowLatencyCase right = draw(~caseSeed, buffer.group().size());
    try (Arena arena = Arena.ofShared()) {
      LowLatencyRun a = new LowLatencyRun(LowLatencyExpected.of(left), buffer, arena);
      LowLatencyRun b = new LowLatencyRun(LowLatencyExpected.of(right), buffer, arena);
      pair(a, b);
    } catch (RuntimeException | AssertionError e) {
      throw failed(buffer, List.of(left, right), e);
    }
  }

  private void pair(LowLatencyRun a, LowLatencyRun b) {
    Dispatched first = a.dispatch();
    pause();
    Dispatched second = b.dispatch();
    pause();
    inAnyOrder(() -> a.finish(first), () -> b.finish(second));
    Combined firstSums = a.combine(first, a.check(first));
    pause();
    Combined secondSums = b.combine(second, b.check(second));
    pause();
    inAnyOrder(() -> a.finish(firstSums), () -> b.finish(secondSums));
    first.close();
    second.close();
  }

  private void inAnyOrder(Runnable one, Runnable other) {
    if (own.nextBoolean()) {
      one.run();
      pause();
      other.run();
    } else {
      other.run();
      pause();
      one.run();
    }
  }

  private void normal(EpBuffer buffer, ExactCalls calls, long callSeed) {
    numNormal++;
    buffer.cleanLowLatencyBuffer();
    calls.run(callSeed);
    buffer.cleanLowLatencyBuffer();
  }

  /// One rank makes a mistake; the others hear of it.
  private void refuse(EpBuffer buffer, int culprit) {
    numRefusals++;
    boolean guilty = buffer.group().rank() == culprit;
    int hidden = guilty ? HIDDEN - 8 : HIDDEN;
    int experts = buffer.spec().numExperts();
    try (Arena arena = Arena.ofShared()) {
      Tensor x = buffer.memory().toDevice(Tensor.allocate(arena, DType.BF16, 1, hidden));
      Tensor ids = buffer.memory().toDevice(Tensor.allocate(arena, DType.I64, 1, 1));
      assertThatThrownBy(() ->
              buffer.lowLatencyDispatch(x, ids, 1, experts, LowLatencyDispatchOptions.DEFAULT))
          .isInstanceOf(guilty ? InvalidInputException.class : RefusedException.class);
    }
  }
}
