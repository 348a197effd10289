package io.crossdock.cli;

import java.io.PrintWriter;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.Function;

/// What an overlap benchmark comes to. Communication is exposed as long as a rank does not compute;
/// of the ranks the one with the most counts, then the median over iterations is taken.
///
/// Safe for any thread.
///
/// @param task what was run
/// @param reports by rank
record OverlapSummary(LowLatencyOverlapTask task, List<LowLatencyOverlapTask.Report> reports) {

  double exposedMicros(Function<LowLatencyOverlapTask.Report, LowLatencyOverlapTask.Variant> of) {
    double[] exposed = new double[task.calls().base().iterations()];
    for (LowLatencyOverlapTask.Report report : reports) {
      LowLatencyOverlapTask.Variant variant = of.apply(report);
      for (int i = 0; i < exposed.length; i++) {
        double mine = variant.totalMicros()[i] - variant.computeMicros()[i];
        exposed[i] = Math.max(exposed[i], mine);
      }
    }
    return Summary.percentile(exposed, 0.5);
  }

  double totalMicros(Function<LowLatencyOverlapTask.Report, LowLatencyOverlapTask.Variant> of) {
    double[] total = new double[task.calls().base().iterations()];
    for (LowLatencyOverlapTask.Report report : reports) {
      for (int i = 0; i < total.length; i++) {
        total[i] = Math.max(total[i], of.apply(report).totalMicros()[i]);
      }
    }
    return Summary.percentile(total, 0.5);
  }

  void print(PrintWriter out) {
    BenchTask base = task.calls().base();
    out.printf(
        Locale.ROOT,
        "%d ranks, 2 micro-batches of %d tokens, H=%d, top-%d of %d, computing 4 x %d us, uneven by %d %%%n",
        reports.size(),
        base.tokens(),
        base.hidden(),
        base.topk(),
        base.experts(),
        task.computeMicros(),
        task.unevenPercent());
    out.printf("%-14s %16s %22s%n", "variant", "both batches us", "exposed communication us");
    line(out, "without hooks", LowLatencyOverlapTask.Report::plain);
    line(out, "with hooks", LowLatencyOverlapTask.Report::hooked);
    out.println("exposed: time in which the slowest rank does not compute, median over iterations");
    out.flush();
  }

  private void line(
      PrintWriter out,
      String name,
      Function<LowLatencyOverlapTask.Report, LowLatencyOverlapTask.Variant> of) {
    out.printf(Locale.ROOT, "%-14s %16.1f %22.1f%n", name, totalMicros(of), exposedMicros(of));
  }

  Map<String, Object> toMap() {
    Map<String, Object> map = new LinkedHashMap<>();
    map.put("tokens", task.calls().base().tokens());
    map.put("compute_us", task.computeMicros());
    map.put("uneven_percent", task.unevenPercent());
    map.put("plain_us", totalMicros(LowLatencyOverlapTask.Report::plain));
    map.put("hooked_us", totalMicros(LowLatencyOverlapTask.Report::hooked));
    map.put("plain_exposed_us", exposedMicros(LowLatencyOverlapTask.Report::plain));
    map.put("hooked_exposed_us", exposedMicros(LowLatencyOverlapTask.Report::hooked));
    return map;
  }
}
