package io.crossdock.ucx;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.crossdock.core.Mode;
import io.crossdock.ucx.binding.Config;
import java.util.List;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/// Settings reach UCX, each mode's alone, and the provider shows them.
///
/// Confined to the thread of the test.
final class DetailsTest {
  private static final UcxTransportProvider PROVIDER = new UcxTransportProvider();

  @BeforeAll
  static void needUcx() {
    Ucx.require();
  }

  private static void with(String property, String value, Runnable body) {
    System.setProperty(property, value);
    try {
      body.run();
    } finally {
      System.clearProperty(property);
    }
  }

  private static Config open(ModeSettings settings) {
    return settings.open(settings.puts());
  }

  private static String printed(Mode mode) {
    try (Config config = open(ModeSettings.of(mode))) {
      return config.text();
    }
  }

  private static String line(String start) {
    List<String> lines =
        PROVIDER.details().stream().filter(line -> line.startsWith(start)).toList();
    assertThat(lines).as("start=%s", start).hasSize(1);
    return lines.getFirst();
  }

  @Test
  void aPropertyReachesItsModeOfUcx() {
    with(
        "crossdock.ucx.lowLatency.RNDV_THRESH",
        "12345",
        () -> {
          assertThat(printed(Mode.LOW_LATENCY)).containsPattern("\nUCX_RNDV_THRESH=.*\\b12345\n");
          assertThat(printed(Mode.NORMAL)).doesNotContain("12345");
          assertThat(line("lowLatency: TLS=")).containsPattern("RNDV_THRESH=\\S*\\b12345");
        });
  }

  @Test
  void aPropertyOfANetworkReachesItsModeOfUcx() {
    with(
        "crossdock.ucx.normal.IB_SL",
        "5",
        () -> {
          assertThat(printed(Mode.NORMAL)).contains("\nIB_SL=5\n");
          assertThat(printed(Mode.LOW_LATENCY)).doesNotContain("IB_SL=");
          assertThat(line("normal: TLS=")).contains("IB_SL=5", "IB_TRAFFIC_CLASS=");
          assertThat(line("lowLatency: TLS=")).contains("IB_SL=default");
        });
  }

  /// UCX takes writes from whoever reaches its port.
  @Test
  void ranksOfOneMachineListenOnLoopbackAlone() {
    ModeSettings near = new ModeSettings(Mode.NORMAL, 1, true);
    assertThat(Details.of(near)).anyMatch(line -> line.endsWith("networks=tcp/lo"));
    with(
        "crossdock.ucx.normal.NET_DEVICES",
        "all",
        () -> {
          try (Config config = open(near)) {
            assertThat(config.text()).containsPattern("NET_DEVICES=\\S*\\ball\n");
          }
        });
  }

  /// Puts that are forced over TCP open the same port.
  @Test
  void forcedPutsOfOneMachineListenOnLoopbackAlone() {
    ModeSettings near = new ModeSettings(Mode.NORMAL, 1, true);
    assumeTrue(ModeSettings.devices().isEmpty(), "this machine has a network with puts");
    with(
        "crossdock.ucx.normal.puts",
        "rma",
        () -> {
          assertThat(near.chosen(near.puts())).containsEntry("NET_DEVICES", "lo");
          assertThat(Details.of(near))
              .filteredOn(line -> line.contains("networks="))
              .singleElement()
              .asString()
              .contains("tcp/lo")
              .doesNotContainPattern("tcp/(?!lo\\b)");
          assertThat(ModeSettings.of(Mode.NORMAL).chosen(PutsKind.RMA))
              .doesNotContainKey("NET_DEVICES");
        });
  }

  @Test
  void aSizeOfMessagesThatIsNoNumberIsRefused() {
    ModeSettings settings = ModeSettings.of(Mode.NORMAL);
    with(
        "crossdock.ucx.normal.messageBytes",
        "64k",
        () ->
            assertThatThrownBy(settings::messageBytes)
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage(
                    "size of messages is no number of bytes:"
                        + " property=crossdock.ucx.normal.messageBytes, value=64k"));
    with(
        "crossdock.ucx.normal.messageBytes",
        "65536",
        () -> assertThat(settings.messageBytes()).isEqualTo(65_536));
  }

  private static long segmentBytes(String mode) {
    String line = line(mode + ": segmentBytes=");
    return Long.parseLong(line.substring(line.indexOf('=') + 1));
  }

  @Test
  void theNetworkItselfHasTheSettings() {
    assertThat(segmentBytes("normal")).isBetween(128L << 10, 132L << 10);
    with(
        "crossdock.ucx.normal.TCP_TX_SEG_SIZE",
        "20000",
        () -> {
          assertThat(segmentBytes("normal")).isBetween(18_000L, 20_000L);
          assertThat(segmentBytes("lowLatency")).isBetween(128L << 10, 132L << 10);
        });
  }

  @Test
  void bothModesAreDescribed() {
    assertThat(line("version=")).matches("version=\\d+\\.\\d+.*");
    for (String mode : List.of("normal", "lowLatency")) {
      assertThat(line(mode + ": TLS="))
          .contains("NET_DEVICES=", "IB_AR_ENABLE=", "IB_NUM_PATHS=", "FENCE_MODE=");
      assertThat(line(mode + ": networks=")).hasSizeGreaterThan(mode.length() + 12);
    }
  }

  @Test
  void aValueThatCannotBeIsRefusedByName() {
    with(
        "crossdock.ucx.normal.MAX_EAGER_LANES",
        "many",
        () ->
            assertThatThrownBy(() -> printed(Mode.NORMAL))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("key=MAX_EAGER_LANES, value=many"));
  }
}
