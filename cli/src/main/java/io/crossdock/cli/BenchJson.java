package io.crossdock.cli;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;

/// A benchmark as the document `crossdock.bench/1`. What it says of several nodes: [NetworkJson].
///
/// Safe for any thread.
///
/// @param summary what was measured
/// @param launch threads or processes
/// @param pids by rank
/// @param peers of the network that ran beside it, by name; empty without
record BenchJson(Summary summary, LaunchMode launch, List<Long> pids, Map<String, Object> peers) {

  BenchJson(Summary summary, LaunchMode launch, List<Long> pids) {
    this(summary, launch, pids, Map.of());
  }

  Map<String, Object> toMap() {
    BenchTask task = summary.task();
    BenchTask.Report first = summary.reports().getFirst();
    Summary.Phase dispatch = summary.phase(summary.mainDispatch());
    Summary.Phase combine = summary.phase(BenchPhase.COMBINE_ZERO_COPY);
    NetworkSummary network = summary.network();
    Map<String, Object> map = new LinkedHashMap<>();
    map.put("schema", "crossdock.bench/1");
    map.put("mode", network == null ? "intranode" : "internode");
    map.put("engine", task.engine());
    map.put("transport", first.transport());
    map.put("launch", launch.name());
    map.put("ranks", summary.reports().size());
    map.put("nodes", network == null ? 1 : network.numNodes());
    map.put("tokens", task.tokens());
    map.put("hidden", task.hidden());
    map.put("experts", task.experts());
    map.put("topk", task.topk());
    map.put("dtype", task.dtype().name());
    map.put("sms", first.place().workers());
    map.put("placement", "borrowed,zero-copy");
    map.put("iterations", task.iterations());
    map.put("verified", task.verify());
    map.put("pids", pids);
    map.put("window_bytes", first.place().windowBytes());
    map.put("dispatch", phase(dispatch));
    map.put("combine", phase(combine));
    map.put("limit", limit(dispatch, combine));
    map.put("placements", placements());
    if (!summary.peerRuns().isEmpty()) {
      map.put("peer", peer());
    }
    if (summary.onGpu()) {
      map.put("l2", task.gpu().l2().name());
      map.put("dispatch_phase", summary.mainDispatch().key);
      map.put("checked_tokens", first.checked().tokens());
    }
    if (network != null) {
      map.put("network", network());
    }
    map.put("host", SystemFacts.host(gpus(), network == null ? null : NodeTransport.ucx()));
    return map;
  }

  private Map<String, Object> network() {
    BenchTask task = summary.task();
    Map<String, Object> map = NetworkJson.of(summary.network());
    map.put("chunk_rows", task.network().chunkRows());
    if (task.groups() > 0) {
      map.put("groups", NetworkJson.of(GroupTraffic.of(task)));
    }
    map.putAll(peers);
    return map;
  }

  /// {@return facts about the GPUs of the ranks; null on the host}
  private String gpus() {
    return summary.onGpu()
        ? summary.reports().stream()
            .map(report -> report.place().facts())
            .distinct()
            .collect(Collectors.joining("; "))
        : null;
  }

  private Map<String, Object> peer() {
    PeerReport dispatch = summary.peerDispatch();
    PeerReport combine = summary.peerCombine();
    Map<String, Object> speedup = new LinkedHashMap<>();
    speedup.put("dispatch_borrowed", summary.dispatchSpeedup(BenchPhase.DISPATCH_BORROWED));
    speedup.put("dispatch_with_layout", summary.dispatchSpeedup(BenchPhase.DISPATCH_WITH_LAYOUT));
    speedup.put("dispatch_owned", summary.dispatchSpeedup(BenchPhase.DISPATCH_OWNED));
    speedup.put("combine_zero_copy", summary.combineSpeedup(BenchPhase.COMBINE_ZERO_COPY));
    speedup.put("combine_staged", summary.combineSpeedup(BenchPhase.COMBINE_STAGED));
    Map<String, Object> peer = new LinkedHashMap<>();
    peer.put("name", dispatch.mpi());
    peer.put("dispatch", peerPhase(dispatch.dispatchUsMedian(), dispatch.dispatchUsP99()));
    peer.put("combine", peerPhase(combine.combineUsMedian(), combine.combineUsP99()));
    peer.put("speedup", speedup);
    peer.put("copy_share", summary.peerCopyShare());
    peer.put("runs", summary.peerRuns());
    return peer;
  }

  private static Map<String, Object> peerPhase(double usMedian, double usP99) {
    Map<String, Object> map = new LinkedHashMap<>();
    map.put("us_median", usMedian);
    map.put("us_p99", usP99);
    return map;
  }

  private Map<String, Object> limit(Summary.Phase dispatch, Summary.Phase combine) {
    Map<String, Object> limit = new LinkedHashMap<>();
    limit.put("copy_gbps", summary.copyDispatchGbps());
    limit.put("copy_combine_gbps", summary.copyCombineGbps());
    limit.put("dispatch_ratio", dispatch.ratio());
    limit.put("combine_ratio", combine.ratio());
    if (summary.network() != null) {
      NetworkJson.putLimit(limit, summary, summary.mainDispatch());
    }
    return limit;
  }

  private Map<String, Object> placements() {
    Map<String, Object> all = new LinkedHashMap<>();
    summary.phases().forEach(phase -> all.put(phase.key, phase(summary.phase(phase))));
    return all;
  }

  private static Map<String, Object> phase(Summary.Phase phase) {
    Map<String, Object> map = new LinkedHashMap<>();
    map.put("us_median", phase.usMedian());
    map.put("us_p99", phase.usP99());
    map.put("gbps_nvl", phase.gbpsNvl());
    map.put("gbps_rdma", phase.gbpsRdma());
    map.put("gbps_wire", phase.gbpsWire());
    map.put("ratio", phase.ratio());
    return map;
  }
}
