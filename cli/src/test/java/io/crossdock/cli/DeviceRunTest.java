package io.crossdock.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.crossdock.core.EngineUnavailableException;
import io.crossdock.core.Engines;
import io.crossdock.core.EpBuffer;
import io.crossdock.core.group.GroupOptions;
import io.crossdock.core.group.InProcessGroup;
import io.crossdock.core.group.ProcessGroup;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/// The benchmark of a GPU makes the calls of any engine, so the host's shows that their order is
/// right.
class DeviceRunTest {
  private static final int RANKS = 2;
  private static final int ITERATIONS = 4;

  private static BenchTask task(
      ReplayTask.RowType dtype, BenchTask.Cache cache, BenchTask.Graph graph) {
    return new BenchTask(
        "host",
        16,
        256,
        8,
        3,
        0,
        "uniform",
        dtype,
        0,
        ITERATIONS,
        false,
        1,
        new BenchTask.GpuOptions(cache, graph),
        BenchTask.NetworkOptions.DEFAULT);
  }

  private static List<BenchTask.Times> run(BenchTask task) throws Exception {
    List<BenchTask.Times> times = new ArrayList<>();
    try (ExecutorService threads = Executors.newFixedThreadPool(RANKS)) {
      List<Future<BenchTask.Times>> ranks = new ArrayList<>();
      for (ProcessGroup group : InProcessGroup.create(RANKS, GroupOptions.defaults())) {
        ranks.add(threads.submit(() -> measure(task, group)));
      }
      for (Future<BenchTask.Times> rank : ranks) {
        times.add(rank.get());
      }
    }
    return times;
  }

  private static BenchTask.Times measure(BenchTask task, ProcessGroup group) {
    try (Arena arena = Arena.ofShared();
        EpBuffer buffer = EpBuffer.open(Engines.open("host"), task.spec(), group);
        DeviceRun run = new DeviceRun(new BenchSetup(task, buffer, arena), 1 << 16)) {
      return run.measure();
    }
  }

  @ParameterizedTest
  @EnumSource
  void everyPhaseIsTimedInEveryIteration(ReplayTask.RowType dtype) throws Exception {
    for (BenchTask.Cache cache : BenchTask.Cache.values()) {
      for (BenchTask.Times rank : run(task(dtype, cache, BenchTask.Graph.none))) {
        assertThat(rank.micros())
            .containsOnlyKeys(
                BenchPhase.DISPATCH_CACHED_BORROWED,
                BenchPhase.DISPATCH_CACHED_OWNED,
                BenchPhase.DISPATCH_WITH_LAYOUT,
                BenchPhase.DISPATCH_OWNED,
                BenchPhase.COMBINE_ZERO_COPY,
                BenchPhase.COMBINE_STAGED,
                BenchPhase.COPY_DISPATCH,
                BenchPhase.COPY_COMBINE);
        assertThat(rank.micros().values())
            .allSatisfy(values -> assertThat(values).hasSize(ITERATIONS).doesNotContain(0.0));
      }
    }
  }

  @Test
  void onAnEngineThatRecordsNothingReplaysAreRefused() {
    BenchTask task = task(ReplayTask.RowType.bf16, BenchTask.Cache.warm, BenchTask.Graph.replayed);
    assertThatThrownBy(() -> run(task))
        .isInstanceOf(ExecutionException.class)
        .hasRootCauseInstanceOf(EngineUnavailableException.class);
  }
}
