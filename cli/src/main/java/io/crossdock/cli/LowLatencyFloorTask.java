package io.crossdock.cli;

import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.crossdock.core.BareCosts;
import io.crossdock.core.BufferSpec;
import io.crossdock.core.DType;
import io.crossdock.core.Engines;
import io.crossdock.core.EpBuffer;
import io.crossdock.core.LowLatencyCombineOptions;
import io.crossdock.core.LowLatencyDispatchOptions;
import io.crossdock.core.LowLatencyDispatchResult;
import io.crossdock.core.Mode;
import io.crossdock.core.Tensor;
import io.crossdock.core.group.ProcessGroup;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.function.ToDoubleFunction;

/// One token from each of two ranks to an expert of the other and back, again and again, beside the
/// bare parts that such a call cannot do without.
///
/// Safe for any thread.
///
/// @param engine name of the engine
/// @param hidden H, a multiple of 128
/// @param iterations in each block
record LowLatencyFloorTask(String engine, int hidden, int iterations) implements RankTask {
  /// Calls and bare parts take turns, so that noise hits them alike.
  private static final int BLOCKS = 5;

  private static final int WARM_UPS = 20_000;
  private static final int BARE_ROUNDS = 5_000;

  /// What a rank reports: medians over blocks, nanoseconds.
  ///
  /// Safe for any thread.
  ///
  /// @param transport of the buffer
  /// @param calls dispatch and combine
  /// @param bare the parts
  record Report(String transport, double calls, BareCosts bare) {}

  /// Tensors of the one token.
  private record Token(Tensor x, Tensor topkIdx, Tensor weights, Tensor y, Tensor home) {}

  @Override
  public Report run(ProcessGroup group, Path folder) {
    BufferSpec spec =
        BufferSpec.builder()
            .mode(Mode.LOW_LATENCY)
            .numMaxTokensPerRank(1)
            .hidden(hidden)
            .topk(1)
            .numExperts(group.size())
            .capacityRows(1)
            .build();
    try (Arena arena = Arena.ofShared();
        EpBuffer buffer = EpBuffer.open(Engines.open(engine), spec, group)) {
      Token token = token(group, arena);
      callsNanos(buffer, token, WARM_UPS);
      check(group.rank(), token);
      BareCosts.measure(buffer, WARM_UPS);
      double[] calls = new double[BLOCKS];
      BareCosts[] bare = new BareCosts[BLOCKS];
      for (int block = 0; block < BLOCKS; block++) {
        bare[block] = BareCosts.measure(buffer, BARE_ROUNDS);
        calls[block] = callsNanos(buffer, token, iterations);
      }
      Arrays.sort(calls);
      return new Report(
          buffer.transport(),
          calls[BLOCKS / 2],
          new BareCosts(
              median(bare, BareCosts::cast),
              median(bare, BareCosts::rowCopy),
              median(bare, BareCosts::replyCopy),
              median(bare, BareCosts::pingPong)));
    }
  }

  /// The weight is 1, so the one expert's output must be home as it was.
  private void check(int rank, Token token) {
    long at = token.home.segment().mismatch(token.y.segment().asSlice(0, token.home.spanBytes()));
    if (at >= 0) {
      throw new VerificationException("token came home changed: rank=" + rank + ", byte=" + at);
    }
  }

  private static double median(BareCosts[] blocks, ToDoubleFunction<BareCosts> part) {
    double[] values = Arrays.stream(blocks).mapToDouble(part).sorted().toArray();
    return values[values.length / 2];
  }

  private Token token(ProcessGroup group, Arena arena) {
    Tensor x = Tensor.allocate(arena, DType.BF16, 1, hidden);
    x.segment().fill((byte) 0x3f);
    Tensor ids = Tensor.allocate(arena, DType.I64, 1, 1);
    ids.segment().set(JAVA_LONG, 0, (group.rank() + 1) % group.size());
    Tensor weights = Tensor.allocate(arena, DType.F32, 1, 1);
    weights.segment().set(ValueLayout.JAVA_FLOAT, 0, 1.0f);
    Tensor y = Tensor.allocate(arena, DType.BF16, 1, group.size(), hidden);
    y.segment().fill((byte) 0x3f);
    return new Token(x, ids, weights, y, Tensor.allocate(arena, DType.BF16, 1, hidden));
  }

  /// {@return the median time of a dispatch and its combine}
  private static double callsNanos(EpBuffer buffer, Token token, int rounds) {
    buffer.group().barrier();
    LowLatencyDispatchOptions dispatch = LowLatencyDispatchOptions.DEFAULT;
    LowLatencyCombineOptions combine = LowLatencyCombineOptions.DEFAULT.withOut(token.home);
    long[] nanos = new long[rounds];
    int experts = buffer.spec().numExperts();
    for (int i = 0; i < rounds; i++) {
      long start = System.nanoTime();
      try (LowLatencyDispatchResult got =
          buffer.lowLatencyDispatch(token.x, token.topkIdx, 1, experts, dispatch)) {
        buffer.lowLatencyCombine(token.y, token.topkIdx, token.weights, got.handle(), combine);
        got.handle().close();
      }
      nanos[i] = System.nanoTime() - start;
    }
    Arrays.sort(nanos);
    return nanos[rounds / 2];
  }
}
