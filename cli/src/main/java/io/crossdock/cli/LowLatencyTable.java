package io.crossdock.cli;

import java.io.PrintWriter;
import java.util.Locale;

/// A low-latency benchmark as one table.
///
/// Safe for any thread.
final class LowLatencyTable {
  private LowLatencyTable() {}

  static void print(LowLatencySummary summary, PrintWriter out) {
    BenchTask base = summary.task().base();
    out.printf(
        Locale.ROOT,
        "%d ranks x %d workers, H=%d, top-%d of %d, dispatch %s, combine %s, %s, %d iterations%n",
        summary.reports().size(),
        summary.reports().getFirst().place().workers(),
        base.hidden(),
        base.topk(),
        base.experts(),
        summary.task().format(),
        summary.task().combineFormat(),
        base.skew(),
        base.iterations());
    boolean halves = summary.task().hook();
    out.printf(
        "%6s %-8s %10s %10s%s %8s %9s %11s %7s%n",
        "tokens",
        "step",
        "median us",
        "p99 us",
        halves ? String.format(" %9s %9s", "send us", "recv us") : "",
        "GB/s",
        "wire GB/s",
        "wire bytes",
        "/ copy");
    for (int size = 0; size < summary.sizes().size(); size++) {
      row(out, summary.sizes().get(size), "dispatch", summary.dispatch(size), halves);
      row(out, summary.sizes().get(size), "combine", summary.combine(size), halves);
    }
    out.println(LowLatencySummary.DEFINITION);
    int largest = summary.largest();
    out.printf(
        Locale.ROOT,
        "copy limit at %d tokens: %.2f GB/s (dispatch size), %.2f GB/s (combine size); %s%n",
        summary.sizes().get(largest),
        summary.dispatch(largest).copyGbps(),
        summary.combine(largest).copyGbps(),
        checked(summary.checkedBytes()));
    if (halves && summary.reports().size() > 1) {
      late(summary, out);
    }
    out.flush();
  }

  private static String checked(long bytes) {
    return bytes == 0 ? "not checked" : bytes + " bytes checked against what is expected";
  }

  private static void row(
      PrintWriter out, int tokens, String name, LowLatencySummary.Step step, boolean halves) {
    out.printf(
        Locale.ROOT,
        "%6d %-8s %10.1f %10.1f%s %8.2f %9.2f %11.0f %7.2f%n",
        tokens,
        name,
        step.usMedian(),
        step.usP99(),
        halves ? String.format(Locale.ROOT, " %9.1f %9.1f", step.usSend(), step.usReceive()) : "",
        step.gbps(),
        step.gbpsWire(),
        step.wireBytes(),
        step.ratio());
  }

  private static void late(LowLatencySummary summary, PrintWriter out) {
    out.println("send half of the other ranks while the last one is busy for 5 ms, median us:");
    for (int size = 0; size < summary.sizes().size(); size++) {
      out.printf(
          Locale.ROOT,
          "%6d dispatch %.1f, undisturbed %.1f; combine %.1f, undisturbed %.1f%n",
          summary.sizes().get(size),
          summary.punctualSend(size, LowLatencyPhase.DISPATCH_SEND_LATE),
          summary.punctualSend(size, LowLatencyPhase.DISPATCH_SEND),
          summary.punctualSend(size, LowLatencyPhase.COMBINE_SEND_LATE),
          summary.punctualSend(size, LowLatencyPhase.COMBINE_SEND));
    }
  }
}
