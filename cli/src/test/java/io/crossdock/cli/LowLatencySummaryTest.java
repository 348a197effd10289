package io.crossdock.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.util.List;
import java.util.Map;
import org.assertj.core.data.Offset;
import org.junit.jupiter.api.Test;

/// Two ranks, H = 1024, two sizes, three iterations, all numbers worked out by hand.
class LowLatencySummaryTest {
  private static final Offset<Double> CLOSE = within(1e-12);
  private static final List<String> STEP =
      List.of(
          "us_median",
          "us_p99",
          "gbps_nvl",
          "gbps_rdma",
          "gbps_wire",
          "wire_bytes",
          "ratio",
          "us_send_median",
          "us_receive_median");

  static LowLatencySummary summary(boolean logfmt) {
    BenchTask base =
        new BenchTask(
            "host",
            8,
            1024,
            4,
            2,
            0,
            "uniform",
            ReplayTask.RowType.fp8,
            0,
            3,
            true,
            1,
            BenchTask.GpuOptions.DEFAULT);
    LowLatencyBenchTask task = new LowLatencyBenchTask(base, List.of(8, 1), logfmt, true, false);
    return new LowLatencySummary(task, List.of(report(0), report(1)));
  }

  private static LowLatencyBenchTask.Report report(int rank) {
    return new LowLatencyBenchTask.Report(
        "shm",
        new BenchTask.Place("host", null, 4096, 2),
        List.of(size(8, rank, 1), size(1, rank, 10)));
  }

  /// Dispatch by iteration: the slower of the ranks has 100, 300, 200; the median is 200.
  private static LowLatencyBenchTask.Size size(int tokens, int rank, double factor) {
    Map<LowLatencyPhase, double[]> micros = LowLatencyBenchTask.Size.times(3);
    micros.put(LowLatencyPhase.DISPATCH, rank == 0 ? times(100, 1, 1) : times(1, 300, 200));
    micros.put(LowLatencyPhase.DISPATCH_SEND, times(20, 20, 20 + rank));
    micros.put(LowLatencyPhase.DISPATCH_RECEIVE, times(30, 30, 30));
    micros.put(LowLatencyPhase.COMBINE, times(50 * factor, 50 * factor, 50 * factor));
    micros.put(LowLatencyPhase.COPY_DISPATCH, times(100, 100, 100));
    micros.put(LowLatencyPhase.COPY_COMBINE, times(10, 10, 10));
    micros.put(
        LowLatencyPhase.DISPATCH_SEND_LATE, rank == 0 ? times(21, 22, 23) : times(9e3, 9e3, 9e3));
    return new LowLatencyBenchTask.Size(
        tokens, new LowLatencyBenchTask.Moved(10L * tokens, 8000, 4000, 2000, 1000, 0), 7, micros);
  }

  private static double[] times(double... micros) {
    return micros;
  }

  @Test
  void ratesFollowTheDefinition() {
    LowLatencySummary.Step dispatch = summary(false).dispatch(0);
    assertThat(dispatch.usMedian()).isEqualTo(200);
    assertThat(dispatch.usP99()).isEqualTo(300);
    assertThat(dispatch.gbps()).isCloseTo(80 * (1024 + 32 + 16) / 200e3, CLOSE);
    assertThat(dispatch.gbpsWire()).isCloseTo(4000 / 200e3, CLOSE);
    assertThat(dispatch.wireBytes()).isEqualTo(4000);
    assertThat(dispatch.copyGbps()).isCloseTo(16_000 / 100e3, CLOSE);
    assertThat(dispatch.ratio()).isCloseTo(0.5, CLOSE);
    assertThat(dispatch.usSend()).isEqualTo(20);
    assertThat(dispatch.usReceive()).isEqualTo(30);
    assertThat(summary(false).combine(0).gbps()).isCloseTo(80 * 2048 / 50e3, CLOSE);
    assertThat(summary(true).combine(0).gbps()).isCloseTo(80 * (1280 + 32) / 50e3, CLOSE);
    assertThat(summary(false).combine(1).usMedian()).isEqualTo(500);
  }

  @Test
  void theLateRankItselfDoesNotCount() {
    LowLatencySummary summary = summary(false);
    assertThat(summary.punctualSend(0, LowLatencyPhase.DISPATCH_SEND_LATE)).isEqualTo(22);
    assertThat(summary.punctualSend(0, LowLatencyPhase.DISPATCH_SEND)).isEqualTo(20);
  }

  @Test
  void theDocumentHasTheLargestSizeOnTopAndAllInAList() {
    JsonNode document =
        Json.tree(new LowLatencyJson(summary(true), LaunchMode.threads, List.of(1L, 1L)).toMap());
    assertThat(document.get("schema").textValue()).isEqualTo("crossdock.bench/1");
    assertThat(document.get("mode").textValue()).isEqualTo("low-latency");
    assertThat(document.get("tokens").intValue()).isEqualTo(8);
    assertThat(document.get("logfmt").booleanValue()).isTrue();
    assertThat(document.at("/combine/us_median").doubleValue()).isEqualTo(50);
    assertThat(document.at("/limit/dispatch_ratio").doubleValue()).isEqualTo(0.5);
    assertThat(document.get("sizes")).hasSize(2);
    assertThat(document.at("/sizes/1/tokens").intValue()).isEqualTo(1);
    assertThat(document.at("/sizes/1/combine/us_median").doubleValue()).isEqualTo(500);
    assertThat(document.at("/sizes/1/late_peer/dispatch_send_us_median").doubleValue())
        .isEqualTo(22);
    for (String step : List.of("dispatch", "combine")) {
      assertThat(document.get(step).propertyStream().map(Map.Entry::getKey))
          .containsExactlyElementsOf(STEP);
    }
    for (String field :
        List.of("engine", "transport", "launch", "ranks", "nodes", "pids", "host")) {
      assertThat(document.has(field)).as(field).isTrue();
    }
  }

  @Test
  void theTableSaysWhatTheBytesAre() {
    StringWriter table = new StringWriter();
    LowLatencyTable.print(summary(false), new PrintWriter(table));
    assertThat(table.toString().lines())
        .contains(
            "2 ranks x 2 workers, H=1024, top-2 of 4, dispatch FP8, combine BF16, uniform,"
                + " 3 iterations",
            LowLatencySummary.DEFINITION)
        .anyMatch(line -> line.matches(" +8 dispatch +200.0 +300.0 +20.0 +30.0 .* 4000 +0.50"))
        .anyMatch(line -> line.contains("8 dispatch 22.0, undisturbed 20.0"))
        .anyMatch(line -> line.endsWith("28 bytes checked against what is expected"));
  }
}
