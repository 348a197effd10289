package io.crossdock.cli;

import java.io.PrintWriter;
import java.util.Locale;

/// What a benchmark over several nodes prints of the network.
///
/// Safe for any thread.
final class NetworkTable {
  private NetworkTable() {}

  /// Prints the phases of normal mode.
  static void phases(Summary summary, PrintWriter out) {
    out.printf(
        "%-34s %10s %10s %9s %9s %9s %9s %9s%n",
        "phase",
        "median us",
        "p99 us",
        "NVL GB/s",
        "RDMA GB/s",
        "wire GB/s",
        "/ copy",
        "/ network");
    for (BenchPhase phase : summary.phases()) {
      Summary.Phase figures = summary.phase(phase);
      out.printf(
          Locale.ROOT,
          "%-34s %10.0f %10.0f %9.2f %9.2f %9.2f %9.2f %9.2f%n",
          phase.label,
          figures.usMedian(),
          figures.usP99(),
          figures.gbpsNvl(),
          figures.gbpsRdma(),
          figures.gbpsWire(),
          figures.ratio(),
          summary.networkRatio(phase));
    }
  }

  /// Prints what the limit was and what was sent.
  ///
  /// @param transport that was measured
  /// @param network what came out
  /// @param tokens of all ranks
  static void network(String transport, NetworkSummary network, long tokens, PrintWriter out) {
    out.printf(
        Locale.ROOT,
        "%d nodes, %s; the network alone takes %.0f us for the rows of a dispatch and %.0f us for those"
            + " of a combine%n",
        network.numNodes(),
        transport,
        network.dispatchMicros(),
        network.combineMicros());
    out.printf(
        Locale.ROOT,
        "rows of a token: %.2f, to other nodes %.2f; bytes to other nodes: dispatch %d, combine %d%n",
        network.rows() / (double) tokens,
        network.farRows() / (double) tokens,
        network.dispatchBytes(),
        network.combineBytes());
    out.printf(
        Locale.ROOT,
        "signal: %.1f us median, %.1f us p99; bytes on the loopback interface: %.3f of ours%n",
        network.signalMicros(),
        network.signalTailMicros(),
        network.interfaceRatio());
  }

  /// Prints low-latency calls against the network.
  static void lowLatency(LowLatencySummary summary, PrintWriter out) {
    out.println("with several nodes GB/s is within the node; to other nodes:");
    out.printf(
        "%6s %10s %10s %10s %10s %10s %10s%n",
        "tokens", "there us", "network us", "RDMA GB/s", "back us", "network us", "RDMA GB/s");
    for (int size = 0; size < summary.sizes().size(); size++) {
      NetworkSummary network = summary.network(size);
      out.printf(
          Locale.ROOT,
          "%6d %10.1f %10.1f %10.3f %10.1f %10.1f %10.3f%n",
          summary.sizes().get(size),
          summary.dispatch(size).usMedian(),
          network.dispatchMicros(),
          summary.dispatch(size).gbpsRdma(),
          summary.combine(size).usMedian(),
          network.combineMicros(),
          summary.combine(size).gbpsRdma());
    }
    int largest = summary.largest();
    long tokens = (long) summary.sizes().get(largest) * summary.reports().size();
    network(summary.reports().getFirst().transport(), summary.network(largest), tokens, out);
  }
}
