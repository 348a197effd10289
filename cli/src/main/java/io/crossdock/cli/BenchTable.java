package io.crossdock.cli;

import java.io.PrintWriter;
import java.util.Locale;

/// The result of a benchmark as one table.
///
/// Safe for any thread.
final class BenchTable {
  /// How far the speeds of `memcpy` beside the peer and beside us may lie apart.
  private static final double QUIET_SHARE = 0.85;

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
    if (!summary.peerRuns().isEmpty()) {
      peer(summary, out);
    }
    out.flush();
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
        summary.dispatchSpeedup(BenchTask.Times::dispatchBorrowed),
        summary.combineSpeedup(BenchTask.Times::combineZeroCopy),
        summary.dispatchSpeedup(BenchTask.Times::dispatchOwned),
        summary.combineSpeedup(BenchTask.Times::combineStaged));
    double share = summary.peerCopyShare();
    boolean isQuiet = share > QUIET_SHARE && share < 1 / QUIET_SHARE;
    if (!isQuiet && summary.reports().getFirst().workers() == 1) {
      out.printf(
          Locale.ROOT,
          "do not trust the line above: beside the peer memcpy had %.0f %% of its speed beside us;"
              + " repeat when the machine is quiet%n",
          100 * share);
    }
  }

  private static String checked(Summary summary) {
    long bytes = summary.reports().stream().mapToLong(BenchTask.Report::checkedBytes).sum();
    return bytes == 0 ? "not checked" : bytes + " bytes checked against the reference";
  }

  private static void row(PrintWriter out, String name, Summary.Phase phase) {
    out.printf(
        Locale.ROOT,
        "%-34s %10.0f %10.0f %9.2f %9.2f %9.2f%n",
        name,
        phase.usMedian(),
        phase.usP99(),
        phase.gbpsNvl(),
        phase.gbpsWire(),
        phase.ratio());
  }
}
