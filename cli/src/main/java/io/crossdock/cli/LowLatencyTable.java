package io.crossdock.cli;

import java.io.PrintWriter;
import java.util.Locale;

/// A low-latency benchmark as one table.
///
/// Safe for any thread.
final class LowLatencyTable {
  private LowLatencyTable() {}

  static void print(LowLatencySummary summary, PrintWriter out) {
    head(summary, out);
    for (int size = 0; size < summary.sizes().size(); size++) {
      row(out, summary, size, LowLatencyPhase.DISPATCH);
      row(out, summary, size, LowLatencyPhase.COMBINE);
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
    if (summary.hasHalves() && summary.reports().size() > 1) {
      late(summary, out);
    }
    if (summary.network(largest) != null) {
      NetworkTable.lowLatency(summary, out);
    }
    if (summary.onGpu()) {
      gpu(summary, out);
    }
    out.flush();
  }

  private static void head(LowLatencySummary summary, PrintWriter out) {
    BenchTask base = summary.task().base();
    out.printf(
        Locale.ROOT,
        "%d ranks x %d %s, H=%d, top-%d of %d, dispatch %s, combine %s%s, %s, %d iterations%n",
        summary.reports().size(),
        summary.reports().getFirst().place().workers(),
        summary.onGpu() ? "multiprocessors" : "workers",
        base.hidden(),
        base.topk(),
        base.experts(),
        summary.task().format(),
        summary.task().combineFormat(),
        summary.task().zeroCopy() ? " zero-copy" : "",
        base.skew(),
        base.iterations());
    if (summary.onGpu()) {
      out.printf(
          "replayed by a CUDA graph, medians: mean of %d calls in a row, and halves apart; eager:"
              + " calls of the host; L2 warm%n",
          LowLatencyDeviceRun.CHAIN);
    }
    out.printf(
        "%6s %-8s %10s %10s%s%s %8s %9s %11s %7s%n",
        "tokens",
        "step",
        "median us",
        "p99 us",
        summary.hasHalves() ? String.format(" %9s %9s", "send us", "recv us") : "",
        summary.onGpu() ? String.format(" %9s", "eager us") : "",
        "GB/s",
        "wire GB/s",
        "wire bytes",
        "/ copy");
  }

  private static String checked(long bytes) {
    return bytes == 0 ? "not checked" : bytes + " bytes checked against what is expected";
  }

  private static void row(
      PrintWriter out, LowLatencySummary summary, int size, LowLatencyPhase phase) {
    boolean there = phase == LowLatencyPhase.DISPATCH;
    LowLatencySummary.Step step = there ? summary.dispatch(size) : summary.combine(size);
    LowLatencyPhase eager = there ? LowLatencyPhase.DISPATCH_EAGER : LowLatencyPhase.COMBINE_EAGER;
    out.printf(
        Locale.ROOT,
        "%6d %-8s %10.1f %10.1f%s%s %8.2f %9.2f %11.0f %7.2f%n",
        summary.sizes().get(size),
        there ? "dispatch" : "combine",
        step.usMedian(),
        step.usP99(),
        summary.hasHalves() ? number(step.usSend()) + number(step.usReceive()) : "",
        summary.onGpu() ? number(summary.median(size, eager)) : "",
        step.gbps(),
        step.gbpsWire(),
        step.wireBytes(),
        step.ratio());
  }

  private static String number(double micros) {
    return String.format(Locale.ROOT, " %9.1f", micros);
  }

  private static void gpu(LowLatencySummary summary, PrintWriter out) {
    out.println(
        "a dispatch and its combine, median us: in a row, and what the host needs to launch:");
    for (int size = 0; size < summary.sizes().size(); size++) {
      out.printf(
          Locale.ROOT,
          "%6d pair %.1f; launch %.1f call by call, %.1f as a graph; timed as the halves are, nothing"
              + " takes %.1f%n",
          summary.sizes().get(size),
          summary.median(size, LowLatencyPhase.PAIR),
          summary.median(size, LowLatencyPhase.LAUNCH_PAIR),
          summary.median(size, LowLatencyPhase.LAUNCH_GRAPH),
          summary.median(size, LowLatencyPhase.NOTHING));
    }
    int largest = summary.largest();
    LowLatencySummary.HookWork work = summary.hookWork(largest);
    out.printf(
        Locale.ROOT,
        "work that fills the GPU, at %d tokens: %.1f us alone, %.1f between the halves of a dispatch,"
            + " %.1f beside receive halves that wait%n",
        summary.sizes().get(largest),
        work.alone(),
        work.betweenHalves(),
        work.besideWaits());
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
