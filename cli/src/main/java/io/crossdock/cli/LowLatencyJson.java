package io.crossdock.cli;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/// A low-latency benchmark as the document `crossdock.bench/1`: at the top the largest size, in
/// `sizes` all of them. What it says of several nodes: [NetworkJson].
///
/// Safe for any thread.
///
/// @param summary what was measured
/// @param launch threads or processes
/// @param pids by rank
record LowLatencyJson(LowLatencySummary summary, LaunchMode launch, List<Long> pids) {

  Map<String, Object> toMap() {
    BenchTask base = summary.task().base();
    LowLatencyBenchTask.Report first = summary.reports().getFirst();
    int largest = summary.largest();
    NetworkSummary network = summary.network(largest);
    Map<String, Object> map = new LinkedHashMap<>();
    map.put("schema", "crossdock.bench/1");
    map.put("mode", "low-latency");
    map.put("engine", base.engine());
    map.put("transport", first.transport());
    map.put("launch", launch.name());
    map.put("ranks", summary.reports().size());
    map.put("nodes", network == null ? 1 : network.numNodes());
    map.put("tokens", summary.sizes().get(largest));
    map.put("hidden", base.hidden());
    map.put("experts", base.experts());
    map.put("topk", base.topk());
    map.put("dtype", base.dtype().name());
    map.put("sms", first.place().workers());
    map.put("placement", summary.task().zeroCopy() ? "borrowed,zero-copy" : "borrowed,staged");
    map.put("iterations", base.iterations());
    map.put("verified", base.verify());
    map.put("pids", pids);
    map.put("window_bytes", first.place().windowBytes());
    map.put("dispatch", step(summary.dispatch(largest)));
    map.put("combine", step(summary.combine(largest)));
    map.put("limit", limit(largest));
    map.put("logfmt", summary.task().logfmt());
    map.put("hook", summary.hasHalves());
    map.put("sizes", sizes());
    if (summary.onGpu()) {
      map.put("l2", "warm");
      map.put("hook_work", hookWork(largest));
    }
    if (network != null) {
      map.put("network", NetworkJson.of(network));
    }
    String gpu = summary.onGpu() ? first.place().facts() : null;
    map.put("host", SystemFacts.host(gpu, network == null ? null : NodeTransport.ucx()));
    return map;
  }

  private List<Map<String, Object>> sizes() {
    List<Map<String, Object>> all = new ArrayList<>();
    for (int size = 0; size < summary.sizes().size(); size++) {
      Map<String, Object> one = new LinkedHashMap<>();
      one.put("tokens", summary.sizes().get(size));
      one.put("dispatch", step(summary.dispatch(size)));
      one.put("combine", step(summary.combine(size)));
      one.put("limit", limit(size));
      if (summary.network(size) != null) {
        one.put("network", NetworkJson.of(summary.network(size)));
      }
      if (summary.hasHalves() && summary.reports().size() > 1) {
        one.put("late_peer", latePeer(size));
      }
      if (summary.onGpu()) {
        putGpu(one, size);
      }
      all.add(one);
    }
    return all;
  }

  private void putGpu(Map<String, Object> one, int size) {
    one.put("pair_us_median", summary.median(size, LowLatencyPhase.PAIR));
    one.put("dispatch_eager_us_median", summary.median(size, LowLatencyPhase.DISPATCH_EAGER));
    one.put("combine_eager_us_median", summary.median(size, LowLatencyPhase.COMBINE_EAGER));
    one.put("nothing_us_median", summary.median(size, LowLatencyPhase.NOTHING));
    one.put("launch_pair_us_median", summary.median(size, LowLatencyPhase.LAUNCH_PAIR));
    one.put("launch_graph_us_median", summary.median(size, LowLatencyPhase.LAUNCH_GRAPH));
  }

  private Map<String, Object> hookWork(int size) {
    LowLatencySummary.HookWork work = summary.hookWork(size);
    Map<String, Object> map = new LinkedHashMap<>();
    map.put("alone_us", work.alone());
    map.put("between_halves_us", work.betweenHalves());
    map.put("beside_waits_us", work.besideWaits());
    return map;
  }

  private Map<String, Object> step(LowLatencySummary.Step step) {
    Map<String, Object> map = new LinkedHashMap<>();
    map.put("us_median", step.usMedian());
    map.put("us_p99", step.usP99());
    map.put("gbps_nvl", step.gbps());
    map.put("gbps_rdma", step.gbpsRdma());
    map.put("gbps_wire", step.gbpsWire());
    map.put("wire_bytes", step.wireBytes());
    map.put("ratio", step.ratio());
    if (summary.hasHalves()) {
      map.put("us_send_median", step.usSend());
      map.put("us_receive_median", step.usReceive());
    }
    return map;
  }

  private Map<String, Object> limit(int size) {
    Map<String, Object> limit = new LinkedHashMap<>();
    limit.put("copy_gbps", summary.dispatch(size).copyGbps());
    limit.put("copy_combine_gbps", summary.combine(size).copyGbps());
    limit.put("dispatch_ratio", summary.dispatch(size).ratio());
    limit.put("combine_ratio", summary.combine(size).ratio());
    if (summary.network(size) != null) {
      NetworkJson.putLimit(limit, summary, size);
    }
    return limit;
  }

  private Map<String, Object> latePeer(int size) {
    Map<String, Object> map = new LinkedHashMap<>();
    map.put("late_us", 5000);
    map.put(
        "dispatch_send_us_median", summary.punctualSend(size, LowLatencyPhase.DISPATCH_SEND_LATE));
    map.put(
        "dispatch_send_us_undisturbed", summary.punctualSend(size, LowLatencyPhase.DISPATCH_SEND));
    map.put(
        "combine_send_us_median", summary.punctualSend(size, LowLatencyPhase.COMBINE_SEND_LATE));
    map.put(
        "combine_send_us_undisturbed", summary.punctualSend(size, LowLatencyPhase.COMBINE_SEND));
    return map;
  }
}
