package io.crossdock.verify.gates;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.json.JsonMapper;
import java.util.List;
import org.junit.jupiter.api.Test;

final class GateTableTest {
  private static final String RUN =
      """
      {"engine": "cuda", "ranks": 4, "sms": 24, "dtype": "bf16", "placements": {
        "dispatch_borrowed": {"us_median": 380.0},
        "dispatch_cached": {"us_median": 350.0, "gbps_nvl": 390.0},
        "dispatch_with_layout": {"us_median": 400.0},
        "combine_zero_copy": {"us_median": 340.0, "gbps_nvl": 410.0}}}
      """;

  private static String verdict(Gate.Figure figure, double gate) throws Exception {
    Gate one = Gate.normal(4, 24, "bf16", figure, gate, gate);
    String text = GateTable.text(new JsonMapper().readTree("[" + RUN + "]"), List.of(one));
    return text.lines().skip(1).findFirst().orElseThrow();
  }

  @Test
  void timesAreBoundedFromAbove() throws Exception {
    assertThat(verdict(Gate.Figure.DISPATCH, 354)).contains("350.0").endsWith("holds");
    assertThat(verdict(Gate.Figure.COMBINE, 335)).contains("340.0").endsWith("MISSED");
  }

  @Test
  void timesAreToldAsAtTheMemoryOfAnH200Too() throws Exception {
    String slower = "{\"limit\": {\"copy_gbps\": 2139.0}, " + RUN.strip().substring(1);
    Gate.Figure figure = Gate.Figure.DISPATCH;
    String text =
        GateTable.text(
            new JsonMapper().readTree("[" + slower + "]"),
            List.of(
                Gate.normal(4, 24, "bf16", figure, 200, 200),
                Gate.normal(4, 24, "bf16", figure, 100, 100)));
    assertThat(text.lines().skip(1))
        .satisfiesExactly(
            line ->
                assertThat(line).contains("350.0", "175.0").endsWith("holds as a share of memory"),
            line -> assertThat(line).contains("350.0", "175.0").endsWith("MISSED"));
  }

  @Test
  void ratesAreBoundedFromBelow() throws Exception {
    assertThat(verdict(Gate.Figure.DISPATCH_RATE, 400)).contains("390.0").endsWith("MISSED");
    assertThat(verdict(Gate.Figure.COMBINE_RATE, 400)).contains("410.0").endsWith("holds");
  }

  @Test
  void anUncachedDispatchIsBoundedByWhatItAdds() throws Exception {
    assertThat(verdict(Gate.Figure.UNCACHED, 60)).contains("50.0").endsWith("holds");
    assertThat(verdict(Gate.Figure.UNCACHED, 40)).contains("50.0").endsWith("MISSED");
  }

  /// Only the size of the gate counts, and neither mode takes the other's document.
  @Test
  void aSizeOfLowLatencyHasItsOwnGates() throws Exception {
    String run =
        """
        {"engine": "cuda", "mode": "low-latency", "ranks": 8, "sms": 16, "dtype": "fp8",
         "placement": "borrowed,zero-copy", "dispatch": {"us_median": 999.0}, "sizes": [
          {"tokens": 1, "dispatch": {"us_median": 12.0, "us_send_median": 5.0}, "combine": {}},
          {"tokens": 128, "dispatch": {"us_median": 45.0, "us_send_median": 30.0},
           "combine": {"us_median": 39.0, "us_receive_median": 50.0}}]}
        """;
    String text =
        GateTable.text(
            new JsonMapper().readTree("[" + run + "]"),
            List.of(
                Gate.normal(8, 16, "fp8", Gate.Figure.DISPATCH, 460, 460),
                Gate.lowLatency(1, Gate.Figure.LL_DISPATCH, 15, 9),
                Gate.lowLatency(128, Gate.Figure.LL_DISPATCH, 42, 30),
                Gate.lowLatency(128, Gate.Figure.LL_DISPATCH_SEND, 35, 24),
                Gate.lowLatency(128, Gate.Figure.LL_COMBINE, 40, 33),
                Gate.lowLatency(128, Gate.Figure.LL_COMBINE_RECEIVE, 42, 34),
                Gate.lowLatency(64, Gate.Figure.LL_COMBINE, 40, 33)));
    assertThat(text.lines().skip(1))
        .satisfiesExactly(
            line -> assertThat(line).endsWith("not measured"),
            line -> assertThat(line).contains("8x16 ll 1 ", "12.0").endsWith("holds"),
            line -> assertThat(line).contains("45.0").endsWith("MISSED"),
            line -> assertThat(line).contains("30.0").endsWith("holds"),
            line -> assertThat(line).contains("39.0").endsWith("holds"),
            line -> assertThat(line).contains("50.0").endsWith("MISSED"),
            line -> assertThat(line).endsWith("not measured"));
  }

  @Test
  void anotherEngineHasNoGates() throws Exception {
    String text =
        GateTable.text(
            new JsonMapper().readTree("[" + RUN.replace("cuda", "host") + "]"), Gate.CUDA);
    assertThat(text).doesNotContain("holds").doesNotContain("MISSED");
  }

  @Test
  void whatDidNotRunIsSaid() throws Exception {
    String text = GateTable.text(new JsonMapper().readTree("[]"), Gate.CUDA);
    assertThat(text.lines().skip(1)).hasSize(18).allMatch(line -> line.endsWith("not measured"));
  }
}
