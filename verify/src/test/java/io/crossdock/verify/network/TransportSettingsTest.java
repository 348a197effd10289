package io.crossdock.verify.network;

import static org.assertj.core.api.Assertions.assertThat;

import io.crossdock.core.BufferSpec;
import io.crossdock.core.EpBuffer;
import io.crossdock.core.Mode;
import io.crossdock.core.spi.TransportSettings;
import io.crossdock.verify.harness.EngineUnderTest;
import io.crossdock.verify.harness.OverNodes;
import io.crossdock.verify.harness.RankThreads;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/// What a buffer is opened with reaches its transports, one for each mode.
@OverNodes
class TransportSettingsTest {
  private static final int RANKS = 2;
  private static final int QUEUE_PAIRS = 3;
  private static final Duration TIMEOUT = Duration.ofSeconds(23);

  @Test
  void reachTheTransports() throws Exception {
    BufferSpec spec =
        BufferSpec.builder()
            .mode(Mode.LOW_LATENCY)
            .numMaxTokensPerRank(4)
            .hidden(256)
            .topk(1)
            .numExperts(4)
            .numQpsPerRank(QUEUE_PAIRS)
            .hostTimeout(TIMEOUT)
            .build();
    List<TransportSettings> expected = new ArrayList<>();
    for (Mode mode : Mode.values()) {
      for (int rank = 0; rank < RANKS; rank++) {
        expected.add(new TransportSettings(mode, rank, RANKS, QUEUE_PAIRS, true, TIMEOUT));
      }
    }
    RankThreads.run(
        RANKS,
        group -> {
          try (EpBuffer _ = EpBuffer.open(EngineUnderTest.open(), spec, group)) {
            group.barrier();
            assertThat(Weather.settings()).containsExactlyInAnyOrderElementsOf(expected);
            group.barrier();
          }
        });
  }
}
