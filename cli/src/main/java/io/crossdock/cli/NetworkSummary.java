package io.crossdock.cli;

import java.util.List;
import java.util.Objects;
import java.util.function.ToDoubleFunction;
import java.util.function.ToLongFunction;

/// What all ranks' reports of the network come to: times are the maximum over ranks, probe by
/// probe, and then the median over probes.
///
/// Safe for any thread.
///
/// @param reports by rank, of several nodes
record NetworkSummary(List<NetworkReport> reports) {

  int numNodes() {
    return reports.getFirst().numNodes();
  }

  /// {@return microseconds that the network alone takes for the rows of a dispatch}
  double dispatchMicros() {
    return median(NetworkReport.Probe::dispatch);
  }

  /// {@return microseconds that the network alone takes for the rows of a combine}
  double combineMicros() {
    return median(NetworkReport.Probe::combine);
  }

  /// {@return microseconds from a put of 8 bytes until its signal is seen}
  double signalMicros() {
    return firstRanks(NetworkReport.Probe::signal);
  }

  /// {@return the 99th percentile of the same}
  double signalTailMicros() {
    return firstRanks(NetworkReport.Probe::signalTail);
  }

  /// {@return rows that count, over all ranks}
  long rows() {
    return total(NetworkReport::rows);
  }

  /// {@return rows for other nodes, over all ranks}
  long farRows() {
    return total(NetworkReport::farRows);
  }

  /// {@return bytes that a dispatch hands to the network, over all ranks}
  long dispatchBytes() {
    return total(NetworkReport::dispatchBytes);
  }

  /// {@return bytes that a combine hands to the network, over all ranks}
  long combineBytes() {
    return total(NetworkReport::combineBytes);
  }

  /// {@return bytes of the calls that were counted twice, as we count}
  long countedBytes() {
    return total(report -> report.wire().sent());
  }

  /// {@return bytes of the same calls, as the loopback interface counts}
  long interfaceBytes() {
    return reports.getFirst().wire().onInterface();
  }

  /// {@return the latter over the former; 0 if nothing was counted}
  double interfaceRatio() {
    return countedBytes() == 0 ? 0 : interfaceBytes() / (double) countedBytes();
  }

  private long total(ToLongFunction<NetworkReport> count) {
    return reports.stream().mapToLong(count).sum();
  }

  private double firstRanks(ToDoubleFunction<NetworkReport.Probe> part) {
    double[] values = reports.getFirst().probes().stream().mapToDouble(part).toArray();
    return Summary.percentile(values, 0.5);
  }

  private double median(ToDoubleFunction<NetworkReport.Probe> part) {
    double[] slowest = new double[reports.getFirst().probes().size()];
    for (NetworkReport report : reports) {
      for (int i = 0; i < slowest.length; i++) {
        slowest[i] = Math.max(slowest[i], part.applyAsDouble(report.probes().get(i)));
      }
    }
    return Summary.percentile(slowest, 0.5);
  }

  /// {@return the summary; null on one node}
  ///
  /// @param reports by rank; null on one node
  static NetworkSummary of(List<NetworkReport> reports) {
    boolean oneNode = reports.stream().anyMatch(Objects::isNull);
    return oneNode ? null : new NetworkSummary(reports);
  }
}
