package io.crossdock.cli;

import io.crossdock.core.InvalidInputException;
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
          + " checks every byte against the reference and prints one table.",
      "Unless --nodes says otherwise, first as one node and then, where a transport works, as two."
    })
final class DemoCommand implements Callable<Integer> {
  private static final int TOKENS = 128;
  private static final int LOW_LATENCY_TOKENS = 32;
  private static final int HIDDEN = 2048;
  private static final int EXPERTS = 64;
  private static final int TOPK = 8;

  @Spec private CommandSpec spec;
  @Mixin private EngineChoice engine;

  @Option(names = "--ranks", defaultValue = "4", description = "Ranks (default: ${DEFAULT-VALUE}).")
  private int ranks;

  @Option(
      names = "--iterations",
      defaultValue = "12",
      description = "Timed iterations; fewer take less time (default: ${DEFAULT-VALUE}).")
  private int iterations;

  @Override
  public Integer call() {
    if (iterations < 1) {
      throw new InvalidInputException("demo needs an iteration: iterations=" + iterations);
    }
    PrintWriter out = spec.commandLine().getOut();
    engine.takeTransportAnyway();
    String name = engine.resolve(spec.commandLine().getErr());
    task(name, ReplayTask.RowType.bf16, TOKENS);
    JobShape shape = engine.shape(ranks);
    out.printf(
        "%d ranks as %s, %d tokens a rank (%d in low latency), H=%d, top-%d of %d experts%n",
        ranks, engine.launch(), TOKENS, LOW_LATENCY_TOKENS, HIDDEN, TOPK, EXPERTS);
    out.printf(
        "%-8s %-28s %9s %12s %10s %8s  %s%n",
        "rows", "step", "rows", "bytes", "median us", "GB/s", "check");
    show(out, name, shape, List.of(ReplayTask.RowType.values()));
    if (engine.nodes() == 1) {
      showNodes(out, shape);
    }
    out.println("Every byte equals the reference.");
    out.flush();
    return ExitCode.DONE.code;
  }

  /// The same ranks as two nodes, if there is a way between nodes.
  private void showNodes(PrintWriter out, JobShape one) {
    if (ranks % 2 != 0) {
      out.println("two nodes: not shown, ranks do not split evenly: ranks=" + ranks);
      return;
    }
    if (NodeTransport.find(one.transport()).isEmpty()) {
      out.println("two nodes: not shown, reasons=" + NodeTransport.reasons(one.transport()));
      return;
    }
    show(out, EngineChoice.NODES_ENGINE, one.withNodes(2), List.of(ReplayTask.RowType.bf16));
  }

  private void show(PrintWriter out, String name, JobShape shape, List<ReplayTask.RowType> types) {
    for (ReplayTask.RowType type : types) {
      Summary summary = run(name, shape, type);
      if (shape.nodes() > 1 && type == types.getFirst()) {
        out.printf(
            "%d nodes of %d ranks, %s%n",
            shape.nodes(), shape.localRanks(), summary.reports().getFirst().transport());
      }
      print(out, summary);
    }
    print(out, runLowLatency(name, shape));
  }

  private Summary run(String name, JobShape shape, ReplayTask.RowType type) {
    BenchTask task = task(name, type, TOKENS);
    try (Job job = new Job();
        Progress progress = Progress.start("running " + type)) {
      List<BenchTask.Report> reports = job.run(task, shape, BenchTask.Report.class);
      progress.finish();
      return new Summary(task, reports);
    }
  }

  private LowLatencySummary runLowLatency(String name, JobShape shape) {
    BenchTask base = task(name, ReplayTask.RowType.fp8, LOW_LATENCY_TOKENS);
    LowLatencyBenchTask task =
        new LowLatencyBenchTask(base, List.of(LOW_LATENCY_TOKENS), false, false, false);
    try (Job job = new Job();
        Progress progress = Progress.start("running low latency")) {
      List<LowLatencyBenchTask.Report> reports =
          job.run(task, shape, LowLatencyBenchTask.Report.class);
      progress.finish();
      return new LowLatencySummary(task, reports);
    }
  }

  private BenchTask task(String name, ReplayTask.RowType type, int tokens) {
    BenchTask task =
        new BenchTask(
            name,
            tokens,
            HIDDEN,
            EXPERTS,
            TOPK,
            0,
            "uniform",
            type,
            0,
            iterations,
            true,
            1,
            BenchTask.GpuOptions.DEFAULT,
            BenchTask.NetworkOptions.DEFAULT);
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
    line(
        out,
        "fp8",
        "dispatch, low latency",
        new Line(rows, sent, there.usMedian(), there.gbps() + there.gbpsRdma()));
    line(
        out,
        "bf16",
        "combine, low latency",
        new Line(rows, home, back.usMedian(), back.gbps() + back.gbpsRdma()));
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
