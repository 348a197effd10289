package io.crossdock.cli;

import java.io.PrintWriter;
import java.util.Locale;

/// The result of a benchmark as one table.
///
/// Safe for any thread.
final class BenchTable {
  private static final String ROW = "%-34s %10.0f %10.0f %9.2f %9.2f %9.2f%n";

  private BenchTable() {}

  static void print(Summary summary, PrintWriter out) {
    BenchTask task = summary.task();
    out.printf(
        Locale.ROOT,
        "%d ranks x %d workers, %d tokens a rank, H=%d, top-%d of %d, %s, %s%n",
        summary.reports().size(),
        summary.reports().getFirst().workers(),
        task.tokens(),
        task.hidden(),
        task.topk(),
        task.experts(),
        task.dtype(),
        task.skew());
    out.printf(
        "%-34s %10s %10s %9s %9s %9s%n",
        "phase", "median us", "p99 us", "NVL GB/s", "wire GB/s", "/ copy");
    row(out, "dispatch, borrowed", summary.dispatch(BenchTask.Times::dispatchBorrowed));
    row(out, "dispatch, borrowed, with layout", summary.dispatch(BenchTask.Times::layoutDispatch));
    row(out, "dispatch, owned", summary.dispatch(BenchTask.Times::dispatchOwned));
    row(out, "combine, zero-copy", summary.combine(BenchTask.Times::combineZeroCopy));
    row(out, "combine, staged", summary.combine(BenchTask.Times::combineStaged));
    out.printf(
        Locale.ROOT,
        "copy limit: %.2f GB/s (dispatch size), %.2f GB/s (combine size); %s%n",
        summary.copyDispatchGbps(),
        summary.copyCombineGbps(),
        checked(summary));
    out.flush();
  }

  private static String checked(Summary summary) {
    long bytes = summary.reports().stream().mapToLong(BenchTask.Report::checkedBytes).sum();
    return bytes == 0 ? "not checked" : bytes + " bytes checked against the reference";
  }

  private static void row(PrintWriter out, String name, Summary.Phase phase) {
    out.printf(
        Locale.ROOT,
        ROW,
        name,
        phase.usMedian(),
        phase.usP99(),
        phase.gbpsNvl(),
        phase.gbpsWire(),
        phase.ratio());
  }
}
