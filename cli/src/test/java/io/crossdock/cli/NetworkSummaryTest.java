package io.crossdock.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;

/// Figures of several nodes, in summary, document and table.
class NetworkSummaryTest {
  private static final List<String> LIMIT =
      List.of(
          "network_us",
          "network_combine_us",
          "dispatch_ratio_network",
          "combine_ratio_network",
          "dispatch_ratio_network_copy",
          "combine_ratio_network_copy",
          "signal_us",
          "signal_us_p99");

  /// Probes of a dispatch: the slower of the ranks has 100, 300, 200; the median is 200.
  private static NetworkReport report(int rank) {
    double[] dispatch = rank == 0 ? new double[] {100, 1, 200} : new double[] {1, 300, 1};
    List<NetworkReport.Probe> probes =
        List.of(
            new NetworkReport.Probe(dispatch[0], 45, rank == 0 ? 8 : 0, 20),
            new NetworkReport.Probe(dispatch[1], 45, rank == 0 ? 9 : 0, 30),
            new NetworkReport.Probe(dispatch[2], 45, rank == 0 ? 10 : 0, 40));
    return new NetworkReport(
        2, 13, 5, 6000, 12_000, probes, new NetworkReport.WireCheck(1000, rank == 0 ? 2100 : 0));
  }

  /// The summary of one node, as if its ranks were on two.
  private static Summary summary() {
    Summary one = SummaryTest.summary();
    List<BenchTask.Report> reports =
        List.of(over(one.reports().get(0), 0), over(one.reports().get(1), 1));
    return new Summary(one.task(), reports);
  }

  private static BenchTask.Report over(BenchTask.Report report, int rank) {
    return new BenchTask.Report(
        "shm, carrier",
        report.place(),
        report.rows(),
        report.checked(),
        report.times(),
        report(rank));
  }

  @Test
  void timesAreTheSlowestRanksAndTheMedianOfProbes() {
    NetworkSummary network = summary().network();
    assertThat(network.dispatchMicros()).isEqualTo(200);
    assertThat(network.combineMicros()).isEqualTo(45);
    assertThat(network.signalMicros()).isEqualTo(9);
    assertThat(network.signalTailMicros()).isEqualTo(30);
    assertThat(network.interfaceRatio()).isEqualTo(1.05);
    assertThat(network.farRows()).isEqualTo(10);
  }

  @Test
  void oneNodeHasNoNetwork() {
    assertThat(SummaryTest.summary().network()).isNull();
    assertThat(NetworkSummary.of(List.of()).reports()).isEmpty();
  }

  @Test
  void bytesWithinNodesAndBetweenThemAreApart() {
    Summary.Phase dispatch = summary().phase(BenchPhase.DISPATCH_BORROWED);
    assertThat(dispatch.gbpsNvl())
        .isEqualTo(SummaryTest.summary().phase(BenchPhase.DISPATCH_BORROWED).gbpsNvl());
    assertThat(dispatch.gbpsRdma()).isCloseTo(13 * 1040 / 400e3, within(1e-12));
    assertThat(dispatch.gbpsWire()).isCloseTo(6000 / 400e3, within(1e-12));
    Summary.Phase combine = summary().phase(BenchPhase.COMBINE_ZERO_COPY);
    assertThat(combine.gbpsRdma()).isCloseTo(13 * 2000 / 90e3, within(1e-12));
    assertThat(combine.gbpsWire()).isCloseTo(12_000 / 90e3, within(1e-12));
  }

  @Test
  void theDocumentSaysWhatTheNetworkGives() {
    NetworkPeers peers =
        new NetworkPeers(
            Optional.of(new UcxPerftest.Report(14_336, 0.015, 6.5)),
            List.of(
                new UcxPeer.Report(10, 12, 20, true, "1.13.1"),
                new UcxPeer.Report(10, 10, 21, true, "1.13.1")));
    Summary summary = summary();
    JsonNode document =
        Json.tree(
            new BenchJson(summary, LaunchMode.processes, List.of(1L, 2L), peers.toMap(summary))
                .toMap());
    assertThat(document.get("mode").textValue()).isEqualTo("internode");
    assertThat(document.get("nodes").intValue()).isEqualTo(2);
    assertThat(document.get("transport").textValue()).isEqualTo("shm, carrier");
    JsonNode limit = document.get("limit");
    assertThat(limit.propertyStream().map(e -> e.getKey())).containsAll(LIMIT);
    assertThat(limit.get("dispatch_ratio_network").doubleValue()).isEqualTo(0.5);
    assertThat(limit.get("combine_ratio_network").doubleValue()).isEqualTo(0.5);
    assertThat(limit.get("dispatch_ratio_network_copy").doubleValue()).isEqualTo(1.125);
    JsonNode network = document.get("network");
    assertThat(network.propertyStream().map(e -> e.getKey()))
        .containsExactly(
            "rows",
            "far_rows",
            "dispatch_bytes",
            "combine_bytes",
            "wire_check",
            "chunk_rows",
            "ucx_perftest",
            "peer_ucx");
    assertThat(network.at("/wire_check/ratio").doubleValue()).isEqualTo(1.05);
    assertThat(network.at("/ucx_perftest/dispatch_ratio").doubleValue()).isEqualTo(2.0);
    assertThat(network.at("/peer_ucx/ratio").doubleValue()).isEqualTo(0.9);
    assertThat(network.at("/peer_ucx/runs/0/signal_us_median").doubleValue()).isEqualTo(12);
  }

  @Test
  void theTableSaysTheSame() {
    StringWriter text = new StringWriter();
    BenchTable.print(summary(), new PrintWriter(text));
    assertThat(text.toString())
        .contains("RDMA GB/s", "/ network")
        .contains("2 nodes, shm, carrier; the network alone takes 200 us")
        .contains("rows of a token: 1.63, to other nodes 0.63")
        .contains("signal: 9.0 us median, 30.0 us p99")
        .contains("loopback interface: 1.050 of ours");
  }

  @Test
  void groupsSaveRowsWhereTheyAreFewerThanNodes() {
    BenchTask base = SummaryTest.summary().task();
    BenchTask task =
        new BenchTask(
            "host",
            8,
            1024,
            64,
            8,
            8,
            "uniform",
            ReplayTask.RowType.bf16,
            0,
            1,
            true,
            7,
            base.gpu(),
            base.network());
    List<GroupTraffic.Line> lines = GroupTraffic.of(task);
    assertThat(lines).extracting(GroupTraffic.Line::nodes).containsExactly(2, 4, 8);
    // A group is what one of 8 nodes holds, and a token goes to 4 of them, its own node perhaps.
    assertThat(lines.getLast().grouped()).isLessThanOrEqualTo(4);
    assertThat(lines.getLast().grouped()).isLessThan(0.85 * lines.getLast().free());
    assertThat(GroupTraffic.of(base)).isEmpty();
  }

  @Test
  void readsWhatPerftestPrints() {
    String table =
        "| Test | # iterations |\n+---+\n   20000  2.062  9.614  9.7  1422.1  1400.5  1 2\n";
    double[] figures = UcxPerftest.figures(new ToolRun.Output(0, table, ""));
    assertThat(figures).containsExactly(20_000, 2.062, 9.614, 9.7, 1422.1, 1400.5, 1, 2);
  }
}
