package io.crossdock.cli;

import io.crossdock.core.BufferSpec;
import io.crossdock.core.Domain;
import io.crossdock.core.EngineUnavailableException;
import io.crossdock.core.InvalidInputException;
import io.crossdock.core.Mode;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/// Runs a benchmark of low-latency mode and tells what came out.
///
/// Confined to one thread.
final class LowLatencyBench {
  private static final int FLOOR_RANKS = 2;

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
    checkPlace(task);
    try (Job job = new Job();
        Progress progress = Progress.start("measuring low-latency")) {
      LowLatencySummary summary =
          new LowLatencySummary(
              task, job.run(task, engine.shape(numRanks), LowLatencyBenchTask.Report.class));
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

  /// One token between two ranks, beside the parts of its calls.
  ///
  /// @param calls whose engine, H and iterations count
  /// @param out takes the lines
  void runFloor(LowLatencyBenchTask calls, PrintWriter out) {
    if (engine.nodes() > 1) {
      throw new InvalidInputException("the floor is that of one node: nodes=" + engine.nodes());
    }
    if (!engine.devices().isEmpty()) {
      throw new EngineUnavailableException(
          calls.base().engine(),
          List.of("the floor is that of the host engine: engine=" + calls.base().engine()));
    }
    checkPlace(calls);
    if (calls.base().hidden() % BufferSpec.CHANNELS_PER_SCALE != 0) {
      throw new InvalidInputException(
          "the floor has FP8 rows, H must be a multiple of 128: hidden=" + calls.base().hidden());
    }
    LowLatencyFloorTask task =
        new LowLatencyFloorTask(
            calls.base().engine(), calls.base().hidden(), calls.base().iterations() * 100);
    try (Job job = new Job();
        Progress progress = Progress.start("measuring one token and its parts")) {
      FloorSummary summary =
          new FloorSummary(
              task, job.run(task, engine.shape(FLOOR_RANKS), LowLatencyFloorTask.Report.class));
      progress.finish();
      summary.print(out);
      String transport = summary.reports().getFirst().transport();
      writeJson(new Ran("floor", FLOOR_RANKS, transport, null), job, summary.toMap());
    }
  }

  /// Two micro-batches with hooks and without.
  ///
  /// @param task what to run
  /// @param trace where trace events go, or null
  /// @param out takes the lines
  void runOverlap(LowLatencyOverlapTask task, Path trace, PrintWriter out) {
    checkPlace(task.calls());
    try (Job job = new Job();
        Progress progress = Progress.start("measuring overlap")) {
      OverlapSummary summary =
          new OverlapSummary(
              task, job.run(task, engine.shape(numRanks), LowLatencyOverlapTask.Report.class));
      progress.finish();
      summary.print(out);
      LowLatencyOverlapTask.Report first = summary.reports().getFirst();
      if (engine.nodes() > 1) {
        out.printf("%d nodes, %s%n", engine.nodes(), first.transport());
      }
      if (trace != null) {
        Json.write(trace, OverlapTrace.of(summary.reports()));
      }
      writeJson(new Ran("overlap", numRanks, first.transport(), first.gpu()), job, summary.toMap());
    }
  }

  /// What ran, and on what.
  ///
  /// Safe for any thread.
  ///
  /// @param what key of the figures
  /// @param ranks of the job
  /// @param transport of the buffers
  /// @param gpu facts about the GPU, or null
  private record Ran(String what, int ranks, String transport, String gpu) {}

  private void writeJson(Ran ran, Job job, Map<String, Object> figures) {
    if (files.json == null) {
      return;
    }
    Map<String, Object> map = new LinkedHashMap<>();
    map.put("schema", "crossdock.bench/1");
    map.put("mode", "low-latency");
    map.put("transport", ran.transport);
    map.put("launch", engine.launch().name());
    map.put("ranks", ran.ranks);
    map.put("nodes", engine.nodes());
    map.put("pids", job.pids());
    map.put(ran.what, figures);
    map.put("host", SystemFacts.host(ran.gpu, engine.nodes() > 1 ? NodeTransport.ucx() : null));
    Json.write(files.json, map);
  }

  /// What would only fail after every rank was started.
  private void checkPlace(LowLatencyBenchTask task) {
    if (engine.devices().isEmpty()) {
      long lanes = task.spec().sizeHint(Mode.LOW_LATENCY, Domain.SCALE_UP, numRanks);
      int local = numRanks / engine.nodes();
      long landings = task.spec().sizeHint(Mode.NORMAL, Domain.SCALE_OUT, numRanks, local);
      SystemFacts.checkSharedMemory(numRanks, lanes + landings);
    } else {
      DeviceFit.check(engine.devices(), numRanks, task.base().sms(), task.deviceBytes(numRanks));
    }
  }
}
