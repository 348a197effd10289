package io.crossdock.verify.contract;

import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.crossdock.core.BufferSpec;
import io.crossdock.core.DType;
import io.crossdock.core.DispatchInput;
import io.crossdock.core.Engines;
import io.crossdock.core.EpBuffer;
import io.crossdock.core.InvalidInputException;
import io.crossdock.core.Layout;
import io.crossdock.core.RefusedException;
import io.crossdock.core.Tensor;
import io.crossdock.core.group.ProcessGroup;
import io.crossdock.verify.harness.RankBody;
import java.lang.foreign.Arena;
import java.time.Duration;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.locks.LockSupport;

/// Random calls of random shapes on one buffer, with random pauses and refusals; every result is
/// checked.
public final class SoakBody implements RankBody {
  private static final int HIDDEN = 256;
  private static final long MAX_PAUSE_NANOS = 3_000_000;

  private final String engine;
  private final long seed;
  private final int numCalls;

  /// @param arguments engine, seed, number of calls
  public SoakBody(List<String> arguments) {
    engine = arguments.get(0);
    seed = Long.parseLong(arguments.get(1));
    numCalls = Integer.parseInt(arguments.get(2));
  }

  @Override
  public void run(ProcessGroup group) {
    int numRanks = group.size();
    BufferSpec spec =
        BufferSpec.builder()
            .numMaxTokensPerRank(129)
            .hidden(HIDDEN)
            .topk(Math.min(BufferSpec.MAX_TOPK, numRanks * 8))
            .numExperts(numRanks * 8)
            .dtype(DType.F32)
            .hostTimeout(Duration.ofSeconds(60))
            .build();
    SplittableRandom pauses = new SplittableRandom(seed * 10 + group.rank());
    SplittableRandom common = new SplittableRandom(seed);
    try (EpBuffer buffer = EpBuffer.open(Engines.open(engine), spec, group)) {
      for (int call = 0; call < numCalls; call++) {
        if (pauses.nextInt(8) == 0) {
          LockSupport.parkNanos(pauses.nextLong(MAX_PAUSE_NANOS));
        }
        if (common.nextInt(10) == 0) {
          refuse(buffer, common.nextInt(numRanks));
        } else {
          check(buffer, ContractCase.random(seed * 100_000 + call, numRanks, HIDDEN));
        }
      }
    }
  }

  private static void check(EpBuffer buffer, ContractCase test) {
    try (Arena arena = Arena.ofShared()) {
      new ContractRun(test, buffer, arena).once();
    } catch (RuntimeException | AssertionError e) {
      throw new AssertionError("case=" + test + ", rank=" + buffer.group().rank(), e);
    }
  }

  /// One rank makes a mistake; the others hear of it.
  private static void refuse(EpBuffer buffer, int culprit) {
    int hidden = buffer.spec().hidden();
    try (Arena arena = Arena.ofShared()) {
      boolean guilty = buffer.group().rank() == culprit;
      Tensor x = tensor(buffer, arena, DType.BF16, guilty ? hidden - 8 : hidden);
      Tensor ids = tensor(buffer, arena, DType.I64, 1);
      Tensor weights = tensor(buffer, arena, DType.F32, 1);
      Layout layout = buffer.layout(ids, buffer.spec().numExperts());
      DispatchInput input = DispatchInput.of(x, ids, weights);
      assertThatThrownBy(() -> buffer.dispatch(input, layout))
          .isInstanceOf(guilty ? InvalidInputException.class : RefusedException.class);
    }
  }

  private static Tensor tensor(EpBuffer buffer, Arena arena, DType dtype, long columns) {
    return buffer.memory().toDevice(Tensor.allocate(arena, dtype, 1, columns));
  }
}
