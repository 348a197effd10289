package io.crossdock.cli;

import io.crossdock.core.BufferSpec;
import io.crossdock.core.Domain;
import io.crossdock.core.EngineUnavailableException;
import io.crossdock.core.Mode;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.List;

/// Runs a benchmark of low-latency mode and tells what came out.
///
/// Confined to one thread.
final class LowLatencyBench {
  private final EngineChoice engine;
  private final int numRanks;
  private final Files files;

  /// Where results are written.
  ///
  /// Safe for any thread.
  ///
  /// @param json document, or null
  /// @param report page, or null
  record Files(Path json, Path report) {}

  /// @param engine resolved
  /// @param numRanks of the job
  /// @param files where results go
  LowLatencyBench(EngineChoice engine, int numRanks, Files files) {
    this.engine = engine;
    this.numRanks = numRanks;
    this.files = files;
  }

  void run(LowLatencyBenchTask task, PrintWriter out) {
    checkPlace(task.base().engine(), task.spec());
    try (Job job = new Job();
        Progress progress = Progress.start("measuring low-latency")) {
      LowLatencySummary summary =
          new LowLatencySummary(
              task,
              job.run(
                  task,
                  numRanks,
                  engine.launch(),
                  engine.timeout(),
                  LowLatencyBenchTask.Report.class));
      progress.finish();
      LowLatencyTable.print(summary, out);
      LowLatencyJson document = new LowLatencyJson(summary, engine.launch(), job.pids());
      if (files.json != null) {
        Json.write(files.json, document.toMap());
      }
      if (files.report != null) {
        BenchHtml.write(files.report, BenchHtml.page(summary, document));
      }
    }
  }

  /// What would only fail after every rank was started.
  private void checkPlace(String name, BufferSpec buffer) {
    if (!engine.devices().isEmpty()) {
      throw new EngineUnavailableException(
          name, List.of("this build measures low-latency mode on the host engine: engine=" + name));
    }
    long lanes = buffer.sizeHint(Mode.LOW_LATENCY, Domain.SCALE_UP, numRanks);
    SystemFacts.checkSharedMemory(numRanks, lanes);
  }
}
