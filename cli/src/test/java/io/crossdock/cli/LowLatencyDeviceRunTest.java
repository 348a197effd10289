package io.crossdock.cli;

import static org.assertj.core.api.Assertions.assertThat;

import io.crossdock.core.Engines;
import io.crossdock.core.EpBuffer;
import io.crossdock.core.RecordedCalls;
import io.crossdock.core.group.GroupOptions;
import io.crossdock.core.group.InProcessGroup;
import io.crossdock.core.group.ProcessGroup;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// The low-latency benchmark of a GPU makes the calls of any engine, so the host's shows that their
/// order is right. There a replay makes the calls again.
@Timeout(120)
class LowLatencyDeviceRunTest {
  private static final int RANKS = 2;
  private static final int ITERATIONS = 2;

  /// Phases that the host engine has no part in, or another one.
  private static final Set<LowLatencyPhase> ABSENT = EnumSet.of(LowLatencyPhase.WORK_BESIDE_WAITS);

  private static LowLatencyBenchTask task(boolean zeroCopy) {
    BenchTask base =
        new BenchTask(
            "host",
            3,
            256,
            4,
            2,
            0,
            "uniform",
            ReplayTask.RowType.fp8,
            1,
            ITERATIONS,
            false,
            1,
            BenchTask.GpuOptions.DEFAULT,
            BenchTask.NetworkOptions.DEFAULT);
    return new LowLatencyBenchTask(base, List.of(3), false, true, zeroCopy);
  }

  /// Calls that are made again.
  private record Again(Runnable work) implements RecordedCalls {
    @Override
    public void replay() {
      work.run();
    }

    @Override
    public void close() {
      // Nothing is held.
    }
  }

  private static Map<LowLatencyPhase, double[]> measure(
      LowLatencyBenchTask task, ProcessGroup group) {
    try (Arena arena = Arena.ofShared();
        EpBuffer buffer = EpBuffer.open(Engines.open("host"), task.spec(), group)) {
      LowLatencyBenchCalls.Memory memory = LowLatencyBenchCalls.allocate(task, buffer, arena);
      LowLatencyBenchCalls calls = new LowLatencyBenchCalls(task, 3, buffer, memory, arena);
      try (LowLatencyDeviceRun run = new LowLatencyDeviceRun(calls, Again::new)) {
        return run.measure();
      }
    }
  }

  @Test
  void everyPhaseIsTimedInEveryIteration() throws Exception {
    List<Map<LowLatencyPhase, double[]>> reports = new ArrayList<>();
    try (ExecutorService threads = Executors.newFixedThreadPool(RANKS)) {
      List<Future<Map<LowLatencyPhase, double[]>>> ranks = new ArrayList<>();
      for (ProcessGroup group : InProcessGroup.create(RANKS, GroupOptions.defaults())) {
        ranks.add(threads.submit(() -> measure(task(true), group)));
      }
      for (Future<Map<LowLatencyPhase, double[]>> rank : ranks) {
        reports.add(rank.get());
      }
    }
    for (LowLatencyPhase phase : EnumSet.complementOf(EnumSet.copyOf(ABSENT))) {
      assertThat(reports.getFirst().get(phase))
          .as(phase.name())
          .hasSize(ITERATIONS)
          .doesNotContain(0.0);
    }
  }
}
