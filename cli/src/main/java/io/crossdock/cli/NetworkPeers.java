package io.crossdock.cli;

import java.io.PrintWriter;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;

/// What others reach on the same network in the same run.
///
/// Safe for any thread.
///
/// @param perftest of UCX, if it is installed
/// @param twins runs of the program in C, if asked for
record NetworkPeers(Optional<UcxPerftest.Report> perftest, List<UcxPeer.Report> twins) {
  static final NetworkPeers NOBODY = new NetworkPeers(Optional.empty(), List.of());

  /// {@return the run with the shorter time, since noise only ever adds time}
  private Optional<UcxPeer.Report> twin() {
    return twins.stream().min(Comparator.comparingDouble(UcxPeer.Report::signalUsMedian));
  }

  /// {@return our signal's time over that of the program in C}
  private static double ratio(NetworkSummary network, UcxPeer.Report twin) {
    return network.signalMicros() / twin.signalUsMedian();
  }

  /// {@return bytes that all ranks hand to the network per second in a dispatch, over the rate of
  /// puts that the perftest has}
  private static double ratio(Summary summary, UcxPerftest.Report report) {
    double micros = summary.phase(summary.mainDispatch()).usMedian();
    return summary.network().dispatchBytes() / micros / 1e3 / report.putGbps();
  }

  /// {@return what the document says of them}
  Map<String, Object> toMap(Summary summary) {
    Map<String, Object> map = new LinkedHashMap<>();
    perftest.ifPresent(report -> {
      Map<String, Object> part = new LinkedHashMap<>();
      part.put("put_bytes", report.bytes());
      part.put("put_gbps", report.putGbps());
      part.put("put_us", report.putMicros());
      part.put("dispatch_ratio", ratio(summary, report));
      map.put("ucx_perftest", part);
    });
    twin()
        .ifPresent(twin -> {
          Map<String, Object> part = new LinkedHashMap<>();
          part.put("signal_us", twin.signalUsMedian());
          part.put("signal_us_p99", twin.signalUsP99());
          part.put("ratio", ratio(summary.network(), twin));
          part.put("runs", twins);
          map.put("peer_ucx", part);
        });
    return map;
  }

  void print(Summary summary, PrintWriter out) {
    perftest.ifPresent(report ->
        out.printf(
            Locale.ROOT,
            "ucx_perftest: puts of %d bytes %.2f GB/s, of 8 bytes %.1f us; a dispatch of all ranks"
                + " sends %.2f of that rate%n",
            report.bytes(),
            report.putGbps(),
            report.putMicros(),
            ratio(summary, report)));
    twin()
        .ifPresent(twin ->
            out.printf(
                Locale.ROOT,
                "put, fence, put in C on UCX %s: %.1f us (faster of %d runs); ours is %.2fx of it%n",
                twin.ucx(),
                twin.signalUsMedian(),
                twins.size(),
                ratio(summary.network(), twin)));
    out.flush();
  }
}
