package io.crossdock.cli;

import io.crossdock.core.Engine;
import io.crossdock.core.Engines;
import io.crossdock.core.EpBuffer;
import io.crossdock.core.group.ProcessGroup;
import java.lang.foreign.Arena;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/// Two micro-batches on one rank, each through four stages: attention, dispatch, experts, combine.
/// Without hooks every stage of one batch waits for the stage before. With hooks the receive half
/// of one batch is put off until the other batch has computed, and what the peers sent is there by
/// then. Both do the same work in the same run.
///
/// Safe for any thread.
///
/// @param calls shapes and formats; its tokens are those of a micro-batch
/// @param computeMicros how long attention and experts of a batch compute, each
/// @param unevenPercent by which even ranks compute longer for the first batch and shorter for the
///   second, and odd ranks the other way round
record LowLatencyOverlapTask(LowLatencyBenchTask calls, long computeMicros, int unevenPercent)
    implements RankTask {
  /// A stage as it ran.
  ///
  /// Safe for any thread.
  ///
  /// @param name of the stage
  /// @param batch 0 or 1
  /// @param startMicros since the first stage of the run on this machine's clock
  /// @param micros how long
  record Span(String name, int batch, double startMicros, double micros) {}

  /// One variant on one rank.
  ///
  /// Safe for any thread once filled.
  ///
  /// @param totalMicros of both batches by iteration
  /// @param computeMicros of it, spent in attention and experts, by iteration
  /// @param trace stages of the last iteration
  record Variant(double[] totalMicros, double[] computeMicros, List<Span> trace) {}

  /// What a rank reports.
  ///
  /// Safe for any thread once filled.
  ///
  /// @param transport of the buffer
  /// @param gpu facts about the GPU, or null
  /// @param plain without hooks
  /// @param hooked with hooks
  record Report(String transport, String gpu, Variant plain, Variant hooked) {}

  /// {@return how long a stage of a batch computes on a rank, in percent of [#computeMicros]}
  int percentOf(int rank, int batch) {
    boolean longer = rank % 2 == batch % 2;
    return 100 + (longer ? unevenPercent : -unevenPercent);
  }

  @Override
  public Report run(ProcessGroup group, Path folder) {
    int iterations = calls.base().iterations();
    Engine engine = Engines.open(calls.base().engine());
    try (Arena arena = Arena.ofShared();
        EpBuffer buffer = EpBuffer.open(engine, calls.spec(), group)) {
      if (calls.base().verify()) {
        new LowLatencyCheck(calls, buffer).run(calls.base().tokens());
      }
      Variant plain =
          new Variant(new double[iterations], new double[iterations], new ArrayList<>());
      Variant hooked =
          new Variant(new double[iterations], new double[iterations], new ArrayList<>());
      buffer.onOwnStream(() -> {
        try (OverlapRun run = new OverlapRun(this, buffer, arena)) {
          run.warmUp();
          for (int i = 0; i < iterations; i++) {
            run.iterate(OverlapRun.Hooks.NONE);
            run.record(plain, i);
            run.iterate(OverlapRun.Hooks.USED);
            run.record(hooked, i);
          }
        }
      });
      return new Report(buffer.transport(), BenchTask.facts(engine, buffer), plain, hooked);
    }
  }
}
