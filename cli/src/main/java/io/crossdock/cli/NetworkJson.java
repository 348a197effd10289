package io.crossdock.cli;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/// What a document `crossdock.bench/1` says of the network between nodes:
///
/// - in `limit`: `network_us` and `network_combine_us`, what the network alone takes for the rows
///   of a call; `dispatch_ratio_network` and `combine_ratio_network`, that over the call's time;
///   `dispatch_ratio_network_copy` and `combine_ratio_network_copy`, the same with plain copies of
///   all rows behind it; `signal_us` and `signal_us_p99`, from a put of 8 bytes until its signal is
///   seen
/// - in `network`: `rows` and `far_rows` of a call over all ranks; `dispatch_bytes` and
///   `combine_bytes` handed to the network; `wire_check` with `wire_bytes_counted` of several
///   calls, `interface_bytes` of the same, and their ratio. In normal mode also `chunk_rows` that
///   cross at a time; with groups `groups`, rows that a token sends to other nodes with groups and
///   without, for 2, 4 and 8 nodes; and what ran beside it, if asked for: `ucx_perftest`
///   ([UcxPerftest]) and `peer_ucx` ([UcxPeer])
///
/// Safe for any thread.
final class NetworkJson {
  private NetworkJson() {}

  /// Adds the limit of normal mode.
  static void putLimit(Map<String, Object> limit, Summary summary, BenchPhase dispatch) {
    NetworkSummary network = summary.network();
    BenchPhase combine = BenchPhase.COMBINE_ZERO_COPY;
    putTimes(limit, network);
    limit.put("dispatch_ratio_network", summary.networkRatio(dispatch));
    limit.put("combine_ratio_network", summary.networkRatio(combine));
    limit.put("dispatch_ratio_network_copy", summary.networkAndCopyRatio(dispatch));
    limit.put("combine_ratio_network_copy", summary.networkAndCopyRatio(combine));
  }

  /// Adds the limit of low-latency mode at a size.
  static void putLimit(Map<String, Object> limit, LowLatencySummary summary, int size) {
    NetworkSummary network = summary.network(size);
    putTimes(limit, network);
    limit.put(
        "dispatch_ratio_network", network.dispatchMicros() / summary.dispatch(size).usMedian());
    limit.put("combine_ratio_network", network.combineMicros() / summary.combine(size).usMedian());
  }

  private static void putTimes(Map<String, Object> limit, NetworkSummary network) {
    limit.put("network_us", network.dispatchMicros());
    limit.put("network_combine_us", network.combineMicros());
    limit.put("signal_us", network.signalMicros());
    limit.put("signal_us_p99", network.signalTailMicros());
  }

  /// {@return the part `network`}
  ///
  /// @param network what was measured
  static Map<String, Object> of(NetworkSummary network) {
    Map<String, Object> map = new LinkedHashMap<>();
    map.put("rows", network.rows());
    map.put("far_rows", network.farRows());
    map.put("dispatch_bytes", network.dispatchBytes());
    map.put("combine_bytes", network.combineBytes());
    Map<String, Object> check = new LinkedHashMap<>();
    check.put("device", "lo");
    check.put("wire_bytes_counted", network.countedBytes());
    check.put("interface_bytes", network.interfaceBytes());
    check.put("ratio", network.interfaceRatio());
    map.put("wire_check", check);
    return map;
  }

  /// {@return rows that a token sends to other nodes, with and without groups}
  static List<Map<String, Object>> of(List<GroupTraffic.Line> lines) {
    return lines.stream().map(NetworkJson::of).toList();
  }

  private static Map<String, Object> of(GroupTraffic.Line line) {
    Map<String, Object> map = new LinkedHashMap<>();
    map.put("nodes", line.nodes());
    map.put("rows_per_token", line.free());
    map.put("rows_per_token_grouped", line.grouped());
    return map;
  }
}
