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
  /// @param gbpsWire bytes that left a rank for another, the mean over ranks, per median time
  /// @param ratio bytes written (dispatch) or read (combine) per second over all ranks, divided by
  ///   the copy limit
  record Phase(double usMedian, double usP99, double gbpsNvl, double gbpsWire, double ratio) {}

  Phase dispatch(Function<BenchTask.Times, double[]> times) {
    long rowBytes = reports.getFirst().rowBytes();
    return phase(times, rowBytes, copyDispatchGbps());
  }

  Phase combine(Function<BenchTask.Times, double[]> times) {
    return phase(times, task.hidden() * 2L, copyCombineGbps());
  }

  /// {@return bytes copied per second by as many threads, as many bytes as a dispatch writes, in
  /// GB/s}
  double copyDispatchGbps() {
    long bytes = total(BenchTask.Report::sentRows) * reports.getFirst().rowBytes();
    return bytes / median(BenchTask.Times::copyDispatch) / 1e3;
  }

  /// {@return the same for as many bytes as a combine reads}
  double copyCombineGbps() {
    long bytes = total(BenchTask.Report::sentRows) * task.hidden() * 2L;
    return bytes / median(BenchTask.Times::copyCombine) / 1e3;
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
  double dispatchSpeedup(Function<BenchTask.Times, double[]> times) {
    return peerDispatch().dispatchUsMedian() / median(times);
  }

  /// {@return how many times the peer's combine takes as long as this phase}
  double combineSpeedup(Function<BenchTask.Times, double[]> times) {
    return peerCombine().combineUsMedian() / median(times);
  }

  /// {@return speed of `memcpy` in the peer's runs over that in ours, of the two sizes the one
  /// farther from 1; far from 1 the machine was not equally free and the speed-ups mean little}
  double peerCopyShare() {
    double dispatch = peerDispatch().copyGbpsDispatch() / copyDispatchGbps();
    double combine = peerCombine().copyGbpsCombine() / copyCombineGbps();
    return Math.abs(Math.log(dispatch)) > Math.abs(Math.log(combine)) ? dispatch : combine;
  }

  private Phase phase(Function<BenchTask.Times, double[]> times, long rowBytes, double copyGbps) {
    double[] all = slowest(times);
    double median = percentile(all, 0.5);
    double perRank = 1e3 * median * reports.size();
    double total = total(BenchTask.Report::sentRows) * rowBytes / median / 1e3;
    return new Phase(
        median,
        percentile(all, 0.99),
        total(BenchTask.Report::recvRows) * rowBytes / perRank,
        total(BenchTask.Report::remoteRows) * rowBytes / perRank,
        total / copyGbps);
  }

  private long total(Function<BenchTask.Report, Long> rows) {
    return reports.stream().mapToLong(rows::apply).sum();
  }

  private double median(Function<BenchTask.Times, double[]> times) {
    return percentile(slowest(times), 0.5);
  }

  private double[] slowest(Function<BenchTask.Times, double[]> times) {
    double[] slowest = new double[task.iterations()];
    for (BenchTask.Report report : reports) {
      double[] rank = times.apply(report.times());
      for (int i = 0; i < slowest.length; i++) {
        slowest[i] = Math.max(slowest[i], rank[i]);
      }
    }
    return slowest;
  }

  private static double percentile(double[] values, double share) {
    double[] sorted = values.clone();
    Arrays.sort(sorted);
    int index = (int) Math.ceil(share * sorted.length) - 1;
    return sorted[Math.clamp(index, 0, sorted.length - 1)];
  }
}
