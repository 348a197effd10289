package io.crossdock.cli;

import java.util.Arrays;
import java.util.Collections;
import java.util.Comparator;
import java.util.List;
import java.util.function.Function;

/// What all ranks' reports of a benchmark come to. Times are the maximum over ranks, iteration by
/// iteration; then the median and the 99th percentile over iterations are taken.
///
/// Safe for any thread.
///
/// @param task what was run
/// @param reports by rank
/// @param peerRuns the same job by a peer, in the same run; empty if none was asked for
record Summary(BenchTask task, List<BenchTask.Report> reports, List<PeerReport> peerRuns) {

  Summary(BenchTask task, List<BenchTask.Report> reports) {
    this(task, reports, List.of());
  }

  /// One phase: times and rates.
  ///
  /// Safe for any thread.
  ///
  /// @param usMedian median of the time, microseconds
  /// @param usP99 99th percentile
  /// @param gbpsNvl received bytes of a rank, the mean over ranks, per median time
  /// @param gbpsRdma rows for nodes, each counted once for a node, the home node too, the mean over
  ///   ranks, per median time; 0 on one node
  /// @param gbpsWire bytes that left a rank for another, with several nodes for another node, the
  ///   mean over ranks, per median time
  /// @param ratio bytes written (dispatch) or read (combine) per second over all ranks, divided by
  ///   the copy limit; on a GPU both count bytes read and written
  record Phase(
      double usMedian,
      double usP99,
      double gbpsNvl,
      double gbpsRdma,
      double gbpsWire,
      double ratio) {}

  /// {@return what other nodes got; null on one node}
  NetworkSummary network() {
    return NetworkSummary.of(reports.stream().map(BenchTask.Report::network).toList());
  }

  /// {@return time that the network alone takes for the rows of a phase, over its time}
  ///
  /// @param phase a dispatch or a combine of several nodes
  double networkRatio(BenchPhase phase) {
    return networkMicros(phase) / median(phase);
  }

  /// {@return time that the network alone, and then plain copies of all rows that the call moves,
  /// take, over its time}
  ///
  /// @param phase a dispatch or a combine of several nodes
  double networkAndCopyRatio(BenchPhase phase) {
    boolean there = phase.kind == BenchPhase.Kind.DISPATCH;
    double copy = median(there ? BenchPhase.COPY_DISPATCH : BenchPhase.COPY_COMBINE);
    return (networkMicros(phase) + copy) / median(phase);
  }

  private double networkMicros(BenchPhase phase) {
    boolean there = phase.kind == BenchPhase.Kind.DISPATCH;
    return there ? network().dispatchMicros() : network().combineMicros();
  }

  /// {@return the phases that were timed, without copies, in the order of reports}
  List<BenchPhase> phases() {
    return Arrays.stream(BenchPhase.values())
        .filter(phase -> phase.kind != BenchPhase.Kind.COPY && has(phase))
        .toList();
  }

  private boolean has(BenchPhase phase) {
    return reports.getFirst().times().micros().containsKey(phase);
  }

  boolean onGpu() {
    return reports.getFirst().place().onGpu();
  }

  /// {@return the dispatch that stands for all: on a GPU the cached one, whose time has no part of
  /// the host's}
  BenchPhase mainDispatch() {
    return has(BenchPhase.DISPATCH_CACHED_BORROWED)
        ? BenchPhase.DISPATCH_CACHED_BORROWED
        : BenchPhase.DISPATCH_BORROWED;
  }

  /// {@return times and rates of a phase}
  ///
  /// @param phase a dispatch or a combine
  Phase phase(BenchPhase phase) {
    return phase.kind == BenchPhase.Kind.DISPATCH
        ? phase(phase, reports.getFirst().rows().rowBytes(), copyDispatchGbps())
        : phase(phase, task.hidden() * 2L, copyCombineGbps());
  }

  /// {@return bytes copied per second with as many bytes as a dispatch moves, in GB/s: on the host
  /// by as many threads, bytes written; on a GPU by its own copy, bytes read and written}
  double copyDispatchGbps() {
    long rowBytes = reports.getFirst().rows().rowBytes();
    return movedRows() * rowBytes / median(BenchPhase.COPY_DISPATCH) / 1e3;
  }

  /// {@return the same for as many bytes as a combine moves}
  double copyCombineGbps() {
    return movedRows() * task.hidden() * 2L / median(BenchPhase.COPY_COMBINE) / 1e3;
  }

  /// Rows written by a dispatch and read by a combine, over all ranks. On a GPU read and write both
  /// count: each row is also read (written) once at home.
  private long movedRows() {
    long atHome = onGpu() ? (long) task.tokens() * reports.size() : 0;
    return total(BenchTask.Rows::sent) + atHome;
  }

  /// {@return the peer's run with the faster dispatch, since noise only ever adds time}
  PeerReport peerDispatch() {
    return Collections.min(peerRuns, Comparator.comparingDouble(PeerReport::dispatchUsMedian));
  }

  /// {@return the peer's run with the faster combine}
  PeerReport peerCombine() {
    return Collections.min(peerRuns, Comparator.comparingDouble(PeerReport::combineUsMedian));
  }

  /// {@return how many times the peer's dispatch takes as long as this phase}
  double dispatchSpeedup(BenchPhase phase) {
    return peerDispatch().dispatchUsMedian() / median(phase);
  }

  /// {@return how many times the peer's combine takes as long as this phase}
  double combineSpeedup(BenchPhase phase) {
    return peerCombine().combineUsMedian() / median(phase);
  }

  /// {@return speed of `memcpy` in the peer's runs over that in ours, of the two sizes the one
  /// farther from 1; far from 1 the machine was not equally free and the speed-ups mean little}
  double peerCopyShare() {
    double dispatch = peerDispatch().copyGbpsDispatch() / copyDispatchGbps();
    double combine = peerCombine().copyGbpsCombine() / copyCombineGbps();
    return Math.abs(Math.log(dispatch)) > Math.abs(Math.log(combine)) ? dispatch : combine;
  }

  private Phase phase(BenchPhase phase, long rowBytes, double copyGbps) {
    double[] all = slowest(phase);
    double median = percentile(all, 0.5);
    double perRank = 1e3 * median * reports.size();
    double moved = movedRows() * rowBytes / median / 1e3;
    NetworkSummary network = network();
    return new Phase(
        median,
        percentile(all, 0.99),
        total(BenchTask.Rows::received) * rowBytes / perRank,
        network == null ? 0 : network.rows() * rowBytes / perRank,
        wireBytes(phase, rowBytes) / perRank,
        moved / copyGbps);
  }

  private long wireBytes(BenchPhase phase, long rowBytes) {
    NetworkSummary network = network();
    if (network == null) {
      return total(BenchTask.Rows::remote) * rowBytes;
    }
    return phase.kind == BenchPhase.Kind.DISPATCH
        ? network.dispatchBytes()
        : network.combineBytes();
  }

  private long total(Function<BenchTask.Rows, Long> count) {
    return reports.stream().mapToLong(report -> count.apply(report.rows())).sum();
  }

  private double median(BenchPhase phase) {
    return percentile(slowest(phase), 0.5);
  }

  private double[] slowest(BenchPhase phase) {
    double[] slowest = new double[task.iterations()];
    for (BenchTask.Report report : reports) {
      double[] rank = report.times().micros().get(phase);
      for (int i = 0; i < slowest.length; i++) {
        slowest[i] = Math.max(slowest[i], rank[i]);
      }
    }
    return slowest;
  }

  static double percentile(double[] values, double share) {
    double[] sorted = values.clone();
    Arrays.sort(sorted);
    int index = (int) Math.ceil(share * sorted.length) - 1;
    return sorted[Math.clamp(index, 0, sorted.length - 1)];
  }
}
