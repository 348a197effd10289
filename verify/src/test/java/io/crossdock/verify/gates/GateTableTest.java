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
    Gate one = new Gate(4, 24, "bf16", figure, gate, gate);
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
                new Gate(4, 24, "bf16", figure, 200, 200),
                new Gate(4, 24, "bf16", figure, 100, 100)));
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
    assertThat(text.lines().skip(1)).hasSize(10).allMatch(line -> line.endsWith("not measured"));
  }
}
