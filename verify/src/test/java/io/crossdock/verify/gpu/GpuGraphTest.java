package io.crossdock.verify.gpu;

import static org.assertj.core.api.Assertions.assertThat;

import io.crossdock.core.CombineInput;
import io.crossdock.core.CombineOptions;
import io.crossdock.core.CrossdockException;
import io.crossdock.core.DispatchHandle;
import io.crossdock.core.DispatchInput;
import io.crossdock.core.DispatchOptions;
import io.crossdock.core.DispatchResult;
import io.crossdock.core.InvalidInputException;
import io.crossdock.core.Layout;
import io.crossdock.core.RefusedException;
import io.crossdock.core.Tensor;
import io.crossdock.core.routing.ReferenceDispatch;
import io.crossdock.cuda.CudaGraph;
import io.crossdock.verify.harness.ExactCalls;
import io.crossdock.verify.harness.OnCuda;
import io.crossdock.verify.harness.RankThreads;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// Calls that were captured into a CUDA graph, replayed with other inputs each time, among calls
/// that were not.
@OnCuda
class GpuGraphTest {
  private static final int REPLAYS = 100;
  private static final long ROUTE_SEED = 7;
  private static final CombineOptions COMBINE = CombineOptions.DEFAULT.withConfig(GpuRank.COMBINE);

  /// What a rank does with each replay.
  private interface Replay {
    /// @param seed of the replay's inputs
    void run(long seed);
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 2, 4})
  void dispatchOfKnownSizesAndCombine(int numRanks) throws Exception {
    RankThreads.run(
        numRanks,
        group -> {
          try (GpuRank rank = GpuRank.open(group)) {
            fresh(rank, GpuGraphTest::replays);
          }
        });
  }

  /// What one rank sends wrongly is told by the next check, on all ranks, and the graph goes on.
  @ParameterizedTest
  @ValueSource(ints = {1, 3})
  void aReplayThatFails(int numRanks) throws Exception {
    RankThreads.run(
        numRanks,
        group -> {
          try (GpuRank rank = GpuRank.open(group)) {
            fresh(rank, GpuGraphTest::failAndGoOn);
          }
        });
  }

  /// Runs graphs of a layout, a dispatch, a copy that stands for the experts, and a combine.
  private interface Use {
    void with(GpuRank rank, CudaGraph graph, Replay replay);
  }

  private static void fresh(GpuRank rank, Use use) {
    Layout layout = rank.buffer.layout(rank.topkIdx, rank.numExperts);
    DispatchResult[] made = new DispatchResult[1];
    try (CudaGraph graph =
        CudaGraph.capture(rank.stream, () -> made[0] = layoutToCombine(rank, layout))) {
      use.with(
          rank,
          graph,
          seed -> {
            rank.load(seed);
            launch(rank, graph);
            rank.buffer.check();
            checkFresh(rank, seed, made[0]);
          });
    } finally {
      if (made[0] != null) {
        made[0].close();
      }
    }
  }

  private static DispatchResult layoutToCombine(GpuRank rank, Layout layout) {
    rank.buffer.layoutInto(rank.topkIdx, layout);
    DispatchResult got = rank.buffer.dispatch(rank.input(), layout, rank.sized());
    rank.memory.copy(got.recvX(), rank.y);
    CombineInput outputs =
        CombineInput.of(rank.y).withTopkWeights(got.recvTopkWeights().orElseThrow());
    rank.buffer.combineInto(outputs, got.handle(), COMBINE, rank.sums, rank.weightSums);
    return got;
  }

  private static void launch(GpuRank rank, CudaGraph graph) {
    graph.launch(rank.stream);
    rank.stream.synchronize(GpuRank.BOUND);
  }

  private static void checkFresh(GpuRank rank, long seed, DispatchResult got) {
    List<ReferenceDispatch> expected = rank.calls.expected(seed);
    assertThat(got.handle().numRecvTokens())
        .as("numRecvTokens, seed=%d", seed)
        .isEqualTo(expected.get(rank.rank).numRecvTokens());
    rank.checkRows(seed, got.recvX(), expected);
    rank.checkChoices(seed, got.recvTopkIdx(), got.recvTopkWeights());
    rank.checkSums(seed, rank.sums, expected);
    rank.checkWeightSums(seed, rank.weightSums);
  }

  private static void replays(GpuRank rank, CudaGraph graph, Replay replay) {
    SplittableRandom common = new SplittableRandom(rank.mostRows());
    ExactCalls eager = new ExactCalls(rank.buffer);
    for (int i = 0; i < REPLAYS; i++) {
      for (int other = common.nextInt(3); other > 0; other--) {
        eager.run(common.nextInt(1000));
      }
      replay.run(1000 + i);
    }
  }

  private static void failAndGoOn(GpuRank rank, CudaGraph graph, Replay replay) {
    replay.run(1);
    rank.load(2);
    if (rank.rank == 0) {
      Tensor ids = rank.memory.toHost(rank.topkIdx);
      ids.segment().set(ValueLayout.JAVA_LONG, 0, 99);
      rank.memory.copy(ids, rank.topkIdx);
    }
    launch(rank, graph);
    List<CrossdockException> told = told(rank);
    assertThat(told).isNotEmpty();
    Class<? extends CrossdockException> expected =
        rank.rank == 0 ? InvalidInputException.class : RefusedException.class;
    assertThat(told)
        .allSatisfy(failure ->
            assertThat(failure).isExactlyInstanceOf(expected).hasMessageContaining("expert=99"));
    replay.run(3);
    new ExactCalls(rank.buffer).run(4);
    replay.run(5);
  }

  /// The layout and the dispatch of a graph each tell what they found.
  private static List<CrossdockException> told(GpuRank rank) {
    List<CrossdockException> told = new ArrayList<>();
    for (int i = 0; i < 3; i++) {
      try {
        rank.buffer.check();
      } catch (CrossdockException e) {
        told.add(e);
      }
    }
    return told;
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 2, 4})
  void cachedDispatchAndCombine(int numRanks) throws Exception {
    RankThreads.run(
        numRanks,
        group -> {
          try (GpuRank rank = GpuRank.open(group)) {
            cached(rank);
          }
        });
  }

  private static void cached(GpuRank rank) {
    DispatchHandle handle;
    try (DispatchResult first = rank.calls.dispatch(ROUTE_SEED)) {
      handle = first.handle();
    }
    Tensor outputs = rank.y.firstRows(handle.numRecvTokens());
    DispatchResult[] made = new DispatchResult[1];
    try (CudaGraph graph =
        CudaGraph.capture(rank.stream, () -> made[0] = cachedToCombine(rank, handle, outputs))) {
      replays(
          rank,
          graph,
          seed -> {
            rank.load(seed);
            launch(rank, graph);
            rank.buffer.check();
            List<ReferenceDispatch> expected = rank.calls.expected(ROUTE_SEED, seed);
            rank.checkRows(seed, made[0].recvX(), expected);
            rank.checkSums(seed, rank.sums, expected);
          });
    } finally {
      if (made[0] != null) {
        made[0].close();
      }
    }
  }

  private static DispatchResult cachedToCombine(
      GpuRank rank, DispatchHandle handle, Tensor outputs) {
    DispatchOptions options = DispatchOptions.DEFAULT.withConfig(GpuRank.DISPATCH);
    DispatchResult got = rank.buffer.dispatch(DispatchInput.rows(rank.x), handle, options);
    rank.memory.copy(got.recvX(), outputs);
    rank.buffer.combineInto(CombineInput.of(outputs), handle, COMBINE, rank.sums, null);
    return got;
  }
}
