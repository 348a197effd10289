package io.crossdock.verify.network;

import static org.assertj.core.api.Assertions.assertThat;

import io.crossdock.verify.harness.OverNodes;
import io.crossdock.verify.harness.RankLaunch;
import io.crossdock.verify.harness.RankProcesses;
import java.time.Duration;
import org.junit.jupiter.api.Test;

/// Settings that must be alike on all ranks and are not.
@OverNodes(transport = "ucx")
class MixedPutsTest {
  /// Rank 2 fits ranks 0 and 1, but these refuse rank 3.
  @Test
  void allRanksAreToldAtOnce() throws Exception {
    try (RankProcesses ranks =
        RankLaunch.of(4)
            .nodes(2)
            .environment("JDK_JAVA_OPTIONS", "-Dcrossdock.ucx.normal.puts=messages")
            .environmentOf(3, "JDK_JAVA_OPTIONS", "-Dcrossdock.ucx.normal.puts=rma")
            .start(MixedPutsBody.class)) {
      ranks.awaitSuccess(Duration.ofSeconds(60));
      assertThat(ranks.output(2)).contains("a rank does not reach other nodes: rank=2, peer=0");
      assertThat(ranks.output(3)).contains("puts=messages, expected=rma");
    }
  }
}
