package io.crossdock.ucx;

import static org.assertj.core.api.Assertions.assertThat;

import io.crossdock.core.Mode;
import io.crossdock.ucx.binding.Config;
import io.crossdock.ucx.binding.Context;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// The networks that UCX opened decide how rows travel.
///
/// Confined to the thread of the test.
final class NetworkNamesTest {
  private static String text(String networks) {
    StringBuilder text = new StringBuilder("#\n# UCP context\n#\n");
    text.append("#     component 2  :  tcp\n#            md 0  :  component 0  self \n#\n");
    int number = 0;
    for (String network : networks.split(" ", -1)) {
      text.append("#      resource ").append(number).append("  :  md 1  dev ").append(number);
      text.append("  flags -- ").append(network).append('\n');
      number++;
    }
    return text.append("#\n# memory: 0.00MB, file descriptors: 2\n").toString();
  }

  @ParameterizedTest
  @CsvSource({
    "true, self/memory0 tcp/eth0 tcp/lo rc_mlx5/mlx5_0:1 ud_mlx5/mlx5_0:1",
    "true, dc_mlx5/mlx5_bond_0:1",
    "true, tcp/ib0 ud_verbs/rxe0:1 rc_verbs/rxe0:1",
    "false, self/memory0 tcp/eth0 tcp/lo",
    "false, tcp/mlx5_0 tcp/rc_mlx5",
    "false, ud_mlx5/mlx5_0:1 ud_verbs/mlx5_0:1 tcp/ib0",
    "false, cma/memory posix/memory cuda_copy/cuda gga_mlx5/mlx5_0:1",
  })
  void putsAreTakenWhereANetworkHasThem(boolean havePuts, String networks) {
    NetworkNames found = NetworkNames.of(text(networks));
    assertThat(found.toString()).isEqualTo(networks);
    assertThat(found.havePuts()).isEqualTo(havePuts);
  }

  /// Whatever devices the machine has: UCX is told to open TCP alone.
  @Test
  void aDeviceThatUcxDoesNotOpenIsNotTaken() {
    Ucx.require();
    String property = "crossdock.ucx.lowLatency.TLS";
    System.setProperty(property, "tcp");
    try {
      ModeSettings settings = ModeSettings.of(Mode.LOW_LATENCY);
      assertThat(settings.putsOfNetworks()).isEqualTo(PutsKind.MESSAGES);
      try (Config config = settings.open(PutsKind.RMA);
          Context context = Context.open(config, 1, true)) {
        assertThat(NetworkNames.of(context.text()).names())
            .isNotEmpty()
            .allMatch(name -> name.startsWith("tcp/"));
      }
    } finally {
      System.clearProperty(property);
    }
  }
}
