package io.crossdock.ucx;

import static org.assertj.core.api.Assertions.assertThat;

import io.crossdock.core.Mode;
import io.crossdock.ucx.binding.Config;
import io.crossdock.ucx.binding.Context;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// What is chosen for UCX where nobody says anything.
///
/// Confined to the thread of the test.
final class ModeSettingsTest {
  private static final String[] PATHS = {"IB_NUM_PATHS", "MAX_RMA_RAILS", "MAX_RMA_LANES"};

  @BeforeAll
  static void needUcx() {
    Ucx.require();
  }

  /// From 1.14 to 1.18 a fence keeps order on one path alone, or waits without a bound.
  private static boolean hasOnePath() {
    int minor = Context.minorVersion();
    return minor >= 14 && minor < 19;
  }

  @ParameterizedTest
  @CsvSource({"2, 2", "4, 4", "8, 8", "100, 8"})
  void queuePairsBecomePaths(int numQpsPerRank, String paths) {
    ModeSettings settings = new ModeSettings(Mode.NORMAL, numQpsPerRank, false);
    String expected = hasOnePath() ? "1" : paths;
    for (String key : PATHS) {
      assertThat(settings.chosen(PutsKind.RMA)).containsEntry(key, expected);
    }
    try (Config config = settings.open(PutsKind.RMA)) {
      assertThat(config.text()).contains("\nIB_NUM_PATHS=" + expected + "\n");
    }
  }

  @Test
  void oneQueuePairIsWhatNetworksHave() {
    ModeSettings settings = new ModeSettings(Mode.NORMAL, 1, false);
    for (String key : PATHS) {
      assertThat(settings.chosen(PutsKind.RMA).containsKey(key)).isEqualTo(hasOnePath());
    }
  }

  /// Their order is that of one path.
  @Test
  void messagesHaveOnePath() {
    ModeSettings settings = new ModeSettings(Mode.LOW_LATENCY, 4, false);
    assertThat(settings.chosen(PutsKind.MESSAGES))
        .doesNotContainKeys(PATHS)
        .containsEntry("MAX_EAGER_LANES", "1");
  }
}
