package io.crossdock.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.PrintWriter;
import java.io.StringWriter;
import java.util.List;
import org.junit.jupiter.api.Test;

class BenchTableTest {
  private static List<String> lines(Summary summary) {
    StringWriter table = new StringWriter();
    BenchTable.print(summary, new PrintWriter(table));
    return table.toString().lines().toList();
  }

  @Test
  void theHostsTableSaysWorkersAndWholeMicroseconds() {
    assertThat(lines(SummaryTest.summary()))
        .containsExactly(
            "2 ranks x 2 workers, 8 tokens a rank, H=1000, top-2 of 4, fp8, uniform",
            "phase                               median us     p99 us  NVL GB/s wire GB/s    / copy",
            "dispatch, borrowed                        400        500      0.05      0.03      0.63",
            "dispatch, borrowed, with layout             1          1     20.80     10.40    250.00",
            "dispatch, owned                             1          1     20.80     10.40    250.00",
            "combine, zero-copy                         90        100      0.44      0.22      0.56",
            "combine, staged                             1          1     40.00     20.00     50.00",
            "copy limit: 0.17 GB/s (dispatch size), 1.60 GB/s (combine size);"
                + " 154 bytes checked against the reference");
  }

  @Test
  void theGpusTableHasAllPlacementsSideBySide() {
    List<String> lines = lines(SummaryTest.gpuSummary());
    assertThat(lines.get(0)).startsWith("2 ranks x 24 SMs, 8 tokens a rank");
    assertThat(lines.get(1)).isEqualTo("cuda-p2p, Some GPU, 132 SMs; L2 warm; 3 iterations");
    assertThat(lines.subList(3, 9).stream().map(line -> line.substring(0, 34).strip()))
        .containsExactly(
            "dispatch, cached, borrowed",
            "dispatch, cached, owned",
            "dispatch, borrowed, with layout",
            "dispatch, owned",
            "combine, zero-copy",
            "combine, staged");
    assertThat(lines.get(3)).contains("400.0").endsWith("0.625");
    assertThat(lines.get(9))
        .contains(", read and write;")
        .endsWith("154 bytes of 8 tokens a rank checked against the reference");
  }
}
