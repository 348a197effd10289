package io.crossdock.cli;

import java.io.PrintWriter;
import java.util.Locale;

/// The result of a benchmark as one table.
///
/// Safe for any thread.
final class BenchTable {
  /// How far the speeds of `memcpy` beside the peer and beside us may lie apart.
  private static final double QUIET_SHARE = 0.85;

  private static final String HOST_ROW = "%-34s %10.0f %10.0f %9.2f %9.2f %9.2f%n";
  private static final String GPU_ROW = "%-34s %10.1f %10.1f %9.1f %9.1f %9.3f%n";

  private BenchTable() {}

  static void print(Summary summary, PrintWriter out) {
    BenchTask task = summary.task();
    boolean onGpu = summary.onGpu();
    BenchTask.Report first = summary.reports().getFirst();
    out.printf(
        Locale.ROOT,
        "%d ranks x %d %s, %d tokens a rank, H=%d, top-%d of %d, %s, %s%n",
        summary.reports().size(),
        first.place().workers(),
        onGpu ? "SMs" : "workers",
        task.tokens(),
        task.hidden(),
        task.topk(),
        task.experts(),
        task.dtype(),
        task.skew());
    if (onGpu) {
      out.printf(
          "%s, %s; L2 %s; %d iterations%n",
          first.transport(), first.place().facts(), task.gpu().l2(), task.iterations());
    }
    if (summary.network() == null) {
      phases(summary, out);
    } else {
      NetworkTable.phases(summary, out);
    }
    out.printf(
        Locale.ROOT,
        "copy limit: %.2f GB/s (dispatch size), %.2f GB/s (combine size)%s; %s%n",
        summary.copyDispatchGbps(),
        summary.copyCombineGbps(),
        onGpu ? ", read and write" : "",
        checked(summary));
    if (summary.network() != null) {
      long tokens = (long) task.tokens() * summary.reports().size();
      NetworkTable.network(first.transport(), summary.network(), tokens, out);
    }
    if (!summary.peerRuns().isEmpty()) {
      peer(summary, out);
    }
    out.flush();
  }

  private static void phases(Summary summary, PrintWriter out) {
    out.printf(
        "%-34s %10s %10s %9s %9s %9s%n",
        "phase", "median us", "p99 us", "NVL GB/s", "wire GB/s", "/ copy");
    for (BenchPhase phase : summary.phases()) {
      row(out, phase.label, summary.phase(phase), summary.onGpu() ? GPU_ROW : HOST_ROW);
    }
  }

  private static void peer(Summary summary, PrintWriter out) {
    PeerReport dispatch = summary.peerDispatch();
    PeerReport combine = summary.peerCombine();
    out.printf(
        Locale.ROOT,
        "%s, pack and Alltoallv, 1 thread a rank: dispatch %.0f us, combine %.0f us"
            + " (faster of %d runs); memcpy there: %.2f GB/s, %.2f GB/s%n",
        dispatch.mpi(),
        dispatch.dispatchUsMedian(),
        combine.combineUsMedian(),
        summary.peerRuns().size(),
        dispatch.copyGbpsDispatch(),
        combine.copyGbpsCombine());
    out.printf(
        Locale.ROOT,
        "vs Open MPI: dispatch %.2fx, combine %.2fx (borrowed, zero-copy);"
            + " dispatch %.2fx, combine %.2fx (owned, staged)%n",
        summary.dispatchSpeedup(BenchPhase.DISPATCH_BORROWED),
        summary.combineSpeedup(BenchPhase.COMBINE_ZERO_COPY),
        summary.dispatchSpeedup(BenchPhase.DISPATCH_OWNED),
        summary.combineSpeedup(BenchPhase.COMBINE_STAGED));
    double share = summary.peerCopyShare();
    boolean isQuiet = share > QUIET_SHARE && share < 1 / QUIET_SHARE;
    if (!isQuiet && summary.reports().getFirst().place().workers() == 1) {
      out.printf(
          Locale.ROOT,
          "do not trust the line above: beside the peer memcpy had %.0f %% of its speed beside us;"
              + " repeat when the machine is quiet%n",
          100 * share);
    }
  }

  private static String checked(Summary summary) {
    long bytes = summary.reports().stream().mapToLong(report -> report.checked().bytes()).sum();
    if (bytes == 0) {
      return "not checked";
    }
    String tokens =
        summary.onGpu()
            ? " of " + summary.reports().getFirst().checked().tokens() + " tokens a rank"
            : "";
    return bytes + " bytes" + tokens + " checked against the reference";
  }

  private static void row(PrintWriter out, String name, Summary.Phase phase, String format) {
    out.printf(
        Locale.ROOT,
        format,
        name,
        phase.usMedian(),
        phase.usP99(),
        phase.gbpsNvl(),
        phase.gbpsWire(),
        phase.ratio());
  }
}
