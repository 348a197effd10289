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
            BenchTask.GpuOptions.DEFAULT,
            BenchTask.NetworkOptions.DEFAULT);
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
        tokens,
        new LowLatencyBenchTask.Moved(10L * tokens, 8000, 4000, 2000, 1000, 0),
        7,
        micros,
        null);
  }

  private static double[] times(double... micros) {
    return micros;
  }

  /// One rank, one size: 40 us a dispatch, of 3000 bytes sent and 1000 read at home.
  private static LowLatencySummary onGpu() {
    Map<LowLatencyPhase, double[]> micros = LowLatencyBenchTask.Size.times(3);
    micros.put(LowLatencyPhase.DISPATCH, times(40, 40, 40));
    micros.put(LowLatencyPhase.DISPATCH_SEND, times(25, 25, 25));
    micros.put(LowLatencyPhase.COMBINE, times(30, 30, 30));
    micros.put(LowLatencyPhase.PAIR, times(70, 70, 70));
    micros.put(LowLatencyPhase.DISPATCH_EAGER, times(55, 55, 55));
    micros.put(LowLatencyPhase.LAUNCH_PAIR, times(33, 33, 33));
    micros.put(LowLatencyPhase.LAUNCH_GRAPH, times(6, 6, 6));
    micros.put(LowLatencyPhase.NOTHING, times(9, 9, 9));
    micros.put(LowLatencyPhase.WORK_ALONE, times(300, 300, 300));
    micros.put(LowLatencyPhase.WORK_BETWEEN_HALVES, times(301, 301, 301));
    micros.put(LowLatencyPhase.WORK_BESIDE_WAITS, times(480, 480, 480));
    micros.put(LowLatencyPhase.COPY_DISPATCH, times(20, 20, 20));
    micros.put(LowLatencyPhase.COPY_COMBINE, times(10, 10, 10));
    LowLatencyBenchTask.Moved moved = new LowLatencyBenchTask.Moved(8, 3000, 0, 2000, 0, 1000);
    LowLatencyBenchTask.Report report =
        new LowLatencyBenchTask.Report(
            "cuda-p2p",
            new BenchTask.Place("cuda:0", "some GPU", 4096, 16),
            List.of(new LowLatencyBenchTask.Size(8, moved, 7, micros, null)));
    BenchTask base = summary(false).task().base();
    return new LowLatencySummary(
        new LowLatencyBenchTask(base, List.of(8), false, false, true), List.of(report));
  }

  @Test
  void onAGpuCopiesCountWhatIsReadAndWritten() {
    LowLatencySummary.Step dispatch = onGpu().dispatch(0);
    assertThat(dispatch.copyGbps()).isCloseTo(4000 / 20e3, CLOSE);
    assertThat(dispatch.ratio()).isCloseTo(0.5, CLOSE);
    assertThat(dispatch.usSend()).isEqualTo(25);
  }

  @Test
  void onAGpuTableAndDocumentHaveGraphsLaunchesAndHooks() {
    StringWriter table = new StringWriter();
    LowLatencyTable.print(onGpu(), new PrintWriter(table));
    assertThat(table.toString().lines())
        .anyMatch(line -> line.startsWith("1 ranks x 16 multiprocessors"))
        .anyMatch(line -> line.contains("mean of 20 calls in a row"))
        .anyMatch(line -> line.matches(" +8 dispatch +40.0 +40.0 +25.0 +0.0 +55.0 .* 0.50"))
        .anyMatch(line -> line.contains("8 pair 70.0; launch 33.0 call by call, 6.0 as a graph"))
        .anyMatch(line ->
            line.contains("300.0 us alone, 301.0 between the halves of a dispatch, 480.0 beside"));
    JsonNode document =
        Json.tree(new LowLatencyJson(onGpu(), LaunchMode.threads, List.of(1L)).toMap());
    assertThat(document.get("placement").textValue()).isEqualTo("borrowed,zero-copy");
    assertThat(document.get("l2").textValue()).isEqualTo("warm");
    assertThat(document.at("/hook_work/between_halves_us").doubleValue()).isEqualTo(301);
    assertThat(document.at("/sizes/0/pair_us_median").doubleValue()).isEqualTo(70);
    assertThat(document.at("/sizes/0/launch_graph_us_median").doubleValue()).isEqualTo(6);
    assertThat(document.at("/sizes/0/nothing_us_median").doubleValue()).isEqualTo(9);
    assertThat(document.at("/dispatch/us_send_median").doubleValue()).isEqualTo(25);
    assertThat(document.at("/host/gpu").textValue()).isEqualTo("some GPU");
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
