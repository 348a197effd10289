package io.crossdock.verify.gpu;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;

import io.crossdock.core.CombineResult;
import io.crossdock.core.DispatchHandle;
import io.crossdock.core.DispatchOutputs;
import io.crossdock.core.DispatchResult;
import io.crossdock.core.EngineMemory;
import io.crossdock.core.Tensor;
import io.crossdock.verify.gpu.FullCalls.Extent;
import java.lang.foreign.MemorySegment;
import java.lang.ref.Reference;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.SplittableRandom;
import java.util.function.IntFunction;
import java.util.stream.IntStream;

/// Compares what one call brought one rank, block by block, on all cores.
///
/// Confined to one thread.
final class FullCheck {
  /// Rows that come from the device at a time.
  private static final int BLOCK_ROWS = 256;

  private final String what;
  private final EngineMemory memory;
  private final int rank;
  private final StreamedRoutes routes;
  private final Extent extent;
  private final SplittableRandom sample;

  /// What a dispatch brought.
  record Got(
      Tensor x,
      Optional<Tensor> scales,
      Tensor topkIdx,
      Tensor topkWeights,
      DispatchHandle handle) {
    static Got of(DispatchResult result) {
      return new Got(
          result.recvX(),
          result.recvScales(),
          result.recvTopkIdx().orElseThrow(),
          result.recvTopkWeights().orElseThrow(),
          result.handle());
    }

    static Got of(DispatchOutputs outputs) {
      return new Got(
          outputs.recvX(),
          outputs.recvScales(),
          outputs.recvTopkIdx().orElseThrow(),
          outputs.recvTopkWeights().orElseThrow(),
          outputs.handle());
    }
  }

  FullCheck(String what, EngineMemory memory, int rank, StreamedRoutes routes, Extent extent) {
    this.what = what;
    this.memory = memory;
    this.rank = rank;
    this.routes = routes;
    this.extent = extent;
    this.sample = new SplittableRandom(what.hashCode());
  }

  void dispatch(Got got) {
    int rows = routes.numRecvTokens(rank);
    same("numRecvTokens", rows, got.handle.numRecvTokens());
    for (int row = 0; row < rows; row++) {
      same("source rank", routes.sourceRank(rank, row), got.handle.sourceRank(row));
      same("source token", routes.sourceToken(rank, row), got.handle.sourceTokenIdx(row));
    }
    counts(got.handle);
    long[] ids = routes.recvTopkIdx(rank);
    MemorySegment gotIds = memory.toHost(got.topkIdx.firstRows(rows)).segment();
    for (int i = 0; i < ids.length; i++) {
      same("topkIdx", ids[i], gotIds.get(JAVA_LONG_UNALIGNED, i * 8L));
    }
    float[] weights = routes.recvTopkWeights(rank);
    MemorySegment gotWeights = memory.toHost(got.topkWeights.firstRows(rows)).segment();
    for (int i = 0; i < weights.length; i++) {
      same("topkWeights", weights[i], gotWeights.get(JAVA_FLOAT_UNALIGNED, i * 4L));
    }
    rows(got.x, got.scales);
  }

  private void counts(DispatchHandle handle) {
    int[] got = handle.tokensPerLocalExpert();
    int[] expected = routes.tokensPerLocalExpert(rank);
    for (int expert = 0; expert < got.length; expert++) {
      same("tokensPerLocalExpert", expected[expert], got[expert]);
    }
  }

  void rows(Tensor x, Optional<Tensor> scales) {
    int rows = routes.numRecvTokens(rank);
    blocks("recvX", x, rows, row -> routes.row(rank, row));
    scales.ifPresent(s -> blocks("recvScales", s, rows, row -> routes.scales(rank, row)));
  }

  void combine(CombineResult sums, List<short[]> outputs, FullCalls.Size size) {
    blocks(
        "combinedX",
        sums.combinedX(),
        size.tokens(),
        token -> {
          short[] sum = new short[size.hidden()];
          routes.combine(rank, token, outputs, sum);
          return MemorySegment.ofArray(sum);
        });
    List<float[]> received = new ArrayList<>();
    for (int peer = 0; peer < size.numRanks(); peer++) {
      received.add(routes.recvTopkWeights(peer));
    }
    float[] expected = routes.combineWeights(rank, received);
    MemorySegment got = memory.toHost(sums.combinedTopkWeights().orElseThrow()).segment();
    for (int i = 0; i < expected.length; i++) {
      same("combinedTopkWeights", expected[i], got.get(JAVA_FLOAT_UNALIGNED, i * 4L));
    }
  }

  private void blocks(String name, Tensor got, int rows, IntFunction<MemorySegment> expected) {
    try {
      for (int first = 0; first < rows; first += BLOCK_ROWS) {
        if (extent == Extent.ALL_BYTES || sample.nextInt(4) == 0) {
          block(name, got, new Range(first, Math.min(BLOCK_ROWS, rows - first)), expected);
        }
      }
    } finally {
      Reference.reachabilityFence(got);
    }
  }

  private record Range(int first, int count) {}

  private void block(String name, Tensor got, Range range, IntFunction<MemorySegment> expected) {
    MemorySegment bytes = memory.toHost(RowPool.rows(got, range.first, range.count)).segment();
    long rowBytes = got.rowBytes();
    IntStream.range(0, range.count)
        .parallel()
        .forEach(i -> {
          MemorySegment row = bytes.asSlice(i * rowBytes, rowBytes);
          long at = row.mismatch(expected.apply(range.first + i));
          if (at >= 0) {
            throw new AssertionError(
                "wrong %s: %s, row=%d, byte=%d".formatted(name, what, range.first + i, at));
          }
        });
  }

  private void same(String name, long expected, long got) {
    if (expected != got) {
      throw new AssertionError(
          "wrong %s: %s, expected=%d, got=%d".formatted(name, what, expected, got));
    }
  }

  private void same(String name, float expected, float got) {
    if (Float.floatToRawIntBits(expected) != Float.floatToRawIntBits(got)) {
      throw new AssertionError(
          "wrong %s: %s, expected=%s, got=%s".formatted(name, what, expected, got));
    }
  }
}
