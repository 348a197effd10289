package io.crossdock.cli;

import io.crossdock.core.format.Fp8Groups;
import java.util.ArrayList;
import java.util.List;
import java.util.function.ToLongFunction;

/// What all ranks' reports of a low-latency benchmark come to. Times are the maximum over ranks,
/// iteration by iteration; then the median and the 99th percentile over iterations are taken.
///
/// Safe for any thread.
///
/// @param task what was run
/// @param reports by rank
record LowLatencySummary(LowLatencyBenchTask task, List<LowLatencyBenchTask.Report> reports) {
  static final String DEFINITION =
      "GB/s: bytes of a rank's selections (dispatch: FP8 H + 4H/128 + 16, BF16 2H; combine: BF16 2H,"
          + " LogFMT 10H/8 + 4H/128), mean over ranks, per median time";

  private static final int HEADER_BYTES = 16;

  /// Dispatch or combine at one size.
  ///
  /// Safe for any thread.
  ///
  /// @param usMedian median of the time, microseconds
  /// @param usP99 99th percentile
  /// @param gbps bytes by the definition above; with several nodes those of selections within the
  ///   node
  /// @param gbpsRdma the same of selections of other nodes
  /// @param gbpsWire bytes that really left a rank, with several nodes for other nodes, the mean
  ///   over ranks, per median time
  /// @param wireBytes of a rank, the mean over ranks
  /// @param copyGbps bytes copied per second, as many bytes by as many threads; on a GPU by its own
  ///   copy, bytes read and written
  /// @param ratio bytes sent per second over all ranks, divided by `copyGbps`; on a GPU bytes read
  ///   and written at home count too
  /// @param usSend median of the send half; 0 if halves were not timed apart
  /// @param usReceive median of the receive half
  record Step(
      double usMedian,
      double usP99,
      double gbps,
      double gbpsRdma,
      double gbpsWire,
      double wireBytes,
      double copyGbps,
      double ratio,
      double usSend,
      double usReceive) {}

  /// What a hook leaves of a GPU, medians of the time of work that fills it, in microseconds.
  ///
  /// Safe for any thread.
  ///
  /// @param alone nothing else runs
  /// @param betweenHalves all ranks have sent and wait for their hooks
  /// @param besideWaits receive halves of the other ranks wait; 0 if there are none
  record HookWork(double alone, double betweenHalves, double besideWaits) {}

  /// The phases of a step.
  private record Phases(
      LowLatencyPhase whole, LowLatencyPhase send, LowLatencyPhase receive, LowLatencyPhase copy) {}

  private static final Phases DISPATCH =
      new Phases(
          LowLatencyPhase.DISPATCH,
          LowLatencyPhase.DISPATCH_SEND,
          LowLatencyPhase.DISPATCH_RECEIVE,
          LowLatencyPhase.COPY_DISPATCH);

  private static final Phases COMBINE =
      new Phases(
          LowLatencyPhase.COMBINE,
          LowLatencyPhase.COMBINE_SEND,
          LowLatencyPhase.COMBINE_RECEIVE,
          LowLatencyPhase.COPY_COMBINE);

  /// {@return bytes of a dispatched selection by the definition above}
  long dispatchRowBytes() {
    int hidden = task.base().hidden();
    return task.format().isFp8()
        ? hidden + 4L * hidden / Fp8Groups.CHANNELS + HEADER_BYTES
        : 2L * hidden;
  }

  /// {@return bytes of a combined selection by the definition above}
  long combineRowBytes() {
    int hidden = task.base().hidden();
    return task.logfmt() ? 10L * hidden / 8 + 4L * hidden / Fp8Groups.CHANNELS : 2L * hidden;
  }

  /// {@return the sizes, in the order in which they were measured}
  List<Integer> sizes() {
    return task.sizes();
  }

  /// {@return the index of the largest size}
  int largest() {
    int largest = 0;
    for (int size = 1; size < sizes().size(); size++) {
      largest = sizes().get(size) > sizes().get(largest) ? size : largest;
    }
    return largest;
  }

  Step dispatch(int size) {
    NetworkSummary network = network(size);
    return step(
        size,
        DISPATCH,
        dispatchRowBytes(),
        total(size, LowLatencyBenchTask.Moved::dispatchBytes),
        network == null
            ? total(size, LowLatencyBenchTask.Moved::dispatchWire)
            : network.dispatchBytes());
  }

  Step combine(int size) {
    NetworkSummary network = network(size);
    return step(
        size,
        COMBINE,
        combineRowBytes(),
        total(size, LowLatencyBenchTask.Moved::combineBytes),
        network == null
            ? total(size, LowLatencyBenchTask.Moved::combineWire)
            : network.combineBytes());
  }

  private Step step(int size, Phases phases, long rowBytes, long sent, long wire) {
    double[] all = slowest(size, phases.whole, reports.size());
    double median = Summary.percentile(all, 0.5);
    double perRank = 1e3 * median * reports.size();
    NetworkSummary network = network(size);
    long farRows = network == null ? 0 : network.farRows();
    long moved = sent + total(size, LowLatencyBenchTask.Moved::homeBytes);
    double copyGbps = moved / median(size, phases.copy) / 1e3;
    return new Step(
        median,
        Summary.percentile(all, 0.99),
        (selections(size) - farRows) * rowBytes / perRank,
        farRows * rowBytes / perRank,
        wire / perRank,
        wire / (double) reports.size(),
        copyGbps,
        moved / median / 1e3 / copyGbps,
        median(size, phases.send),
        median(size, phases.receive));
  }

  /// {@return the median send half of the ranks that came in time, microseconds}
  ///
  /// @param size index
  /// @param send a send half, with the last rank late or not
  double punctualSend(int size, LowLatencyPhase send) {
    return Summary.percentile(slowest(size, send, reports.size() - 1), 0.5);
  }

  /// {@return rows that all ranks together send at a size}
  long selections(int size) {
    return total(size, LowLatencyBenchTask.Moved::selections);
  }

  /// {@return what other nodes got at a size; null on one node}
  NetworkSummary network(int size) {
    return NetworkSummary.of(
        reports.stream().map(report -> report.sizes().get(size).network()).toList());
  }

  long checkedBytes() {
    long bytes = 0;
    for (LowLatencyBenchTask.Report report : reports) {
      for (LowLatencyBenchTask.Size size : report.sizes()) {
        bytes += size.checkedBytes();
      }
    }
    return bytes;
  }

  private long total(int size, ToLongFunction<LowLatencyBenchTask.Moved> count) {
    List<LowLatencyBenchTask.Moved> moved = new ArrayList<>();
    reports.forEach(report -> moved.add(report.sizes().get(size).moved()));
    return moved.stream().mapToLong(count).sum();
  }

  boolean onGpu() {
    return reports.getFirst().place().onGpu();
  }

  /// {@return whether send and receive halves were timed apart}
  boolean hasHalves() {
    return task.hook() || onGpu();
  }

  /// {@return what hooks leave of a GPU at a size}
  HookWork hookWork(int size) {
    return new HookWork(
        median(size, LowLatencyPhase.WORK_ALONE),
        median(size, LowLatencyPhase.WORK_BETWEEN_HALVES),
        median(size, LowLatencyPhase.WORK_BESIDE_WAITS));
  }

  /// {@return the median of a phase, microseconds}
  double median(int size, LowLatencyPhase phase) {
    return Summary.percentile(slowest(size, phase, reports.size()), 0.5);
  }

  private double[] slowest(int size, LowLatencyPhase phase, int numRanks) {
    double[] slowest = new double[task.base().iterations()];
    for (int rank = 0; rank < numRanks; rank++) {
      double[] micros = reports.get(rank).sizes().get(size).micros().get(phase);
      for (int i = 0; i < slowest.length; i++) {
        slowest[i] = Math.max(slowest[i], micros[i]);
      }
    }
    return slowest;
  }
}
