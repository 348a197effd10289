package io.crossdock.cli;

import java.io.PrintWriter;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/// The main job on what this machine has.
///
/// Confined to one thread.
@Command(
    name = "demo",
    mixinStandardHelpOptions = true,
    description = {
      "Runs expert-parallel dispatch, experts and combine over several ranks of this machine,"
          + " checks every byte against the reference and prints one table."
    })
final class DemoCommand implements Callable<Integer> {
  private static final int TOKENS = 128;
  private static final int HIDDEN = 2048;
  private static final int EXPERTS = 64;
  private static final int TOPK = 8;
  private static final int ITERATIONS = 20;

  @Spec private CommandSpec spec;
  @Mixin private EngineChoice engine;

  @Option(names = "--ranks", defaultValue = "4", description = "Ranks (default: ${DEFAULT-VALUE}).")
  private int ranks;

  @Override
  public Integer call() {
    PrintWriter out = spec.commandLine().getOut();
    String name = engine.resolve(spec.commandLine().getErr());
    out.printf(
        "%d ranks as %s, %d tokens a rank, H=%d, top-%d of %d experts%n",
        ranks, engine.launch(), TOKENS, HIDDEN, TOPK, EXPERTS);
    out.printf(
        "%-8s %-28s %9s %12s %10s %8s  %s%n",
        "rows", "step", "rows", "bytes", "median us", "GB/s", "check");
    for (ReplayTask.RowType type : ReplayTask.RowType.values()) {
      print(out, run(name, type));
    }
    print(out, runLowLatency(name));
    out.println("Every byte equals the reference.");
    out.flush();
    return ExitCode.DONE.code;
  }

  private Summary run(String name, ReplayTask.RowType type) {
    BenchTask task = task(name, type);
    try (Job job = new Job();
        Progress progress = Progress.start("running " + type)) {
      List<BenchTask.Report> reports =
          job.run(task, ranks, engine.launch(), engine.timeout(), BenchTask.Report.class);
      progress.finish();
      return new Summary(task, reports);
    }
  }

  private LowLatencySummary runLowLatency(String name) {
    BenchTask base = task(name, ReplayTask.RowType.fp8);
    LowLatencyBenchTask task = new LowLatencyBenchTask(base, List.of(TOKENS), false, false, false);
    try (Job job = new Job();
        Progress progress = Progress.start("running low latency")) {
      List<LowLatencyBenchTask.Report> reports =
          job.run(task, ranks, engine.launch(), engine.timeout(), LowLatencyBenchTask.Report.class);
      progress.finish();
      return new LowLatencySummary(task, reports);
    }
  }

  private BenchTask task(String name, ReplayTask.RowType type) {
    BenchTask task =
        new BenchTask(
            name,
            TOKENS,
            HIDDEN,
            EXPERTS,
            TOPK,
            0,
            "uniform",
            type,
            0,
            ITERATIONS,
            true,
            1,
            BenchTask.GpuOptions.DEFAULT);
    task.spec().checkGroup(ranks);
    return task;
  }

  private static void print(PrintWriter out, Summary summary) {
    long rows = summary.reports().stream().mapToLong(r -> r.rows().received()).sum();
    long rowBytes = summary.reports().getFirst().rows().rowBytes();
    Summary.Phase dispatch = summary.phase(summary.mainDispatch());
    Summary.Phase combine = summary.phase(BenchPhase.COMBINE_ZERO_COPY);
    String type = summary.task().dtype().name();
    line(out, type, summary.mainDispatch().label, Line.of(rows, rowBytes, dispatch));
    line(out, "bf16", "combine, zero-copy", Line.of(rows, HIDDEN * 2L, combine));
    out.flush();
  }

  private static void print(PrintWriter out, LowLatencySummary summary) {
    long rows = summary.selections(0);
    LowLatencySummary.Step there = summary.dispatch(0);
    LowLatencySummary.Step back = summary.combine(0);
    long sent = rows * summary.dispatchRowBytes();
    long home = rows * summary.combineRowBytes();
    line(out, "fp8", "dispatch, low latency", new Line(rows, sent, there.usMedian(), there.gbps()));
    line(out, "bf16", "combine, low latency", new Line(rows, home, back.usMedian(), back.gbps()));
    out.flush();
  }

  /// One line of the table.
  private record Line(long rows, long bytes, double usMedian, double gbps) {
    static Line of(long rows, long rowBytes, Summary.Phase phase) {
      return new Line(rows, rows * rowBytes, phase.usMedian(), phase.gbpsNvl());
    }
  }

  private static void line(PrintWriter out, String type, String step, Line line) {
    out.printf(
        Locale.ROOT,
        "%-8s %-28s %9d %12d %10.0f %8.2f  %s%n",
        type,
        step,
        line.rows,
        line.bytes,
        line.usMedian,
        line.gbps,
        "exact");
  }
}
