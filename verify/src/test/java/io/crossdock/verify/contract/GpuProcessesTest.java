package io.crossdock.verify.contract;

import io.crossdock.cuda.driver.Context;
import io.crossdock.cuda.driver.FabricProbe;
import io.crossdock.cuda.driver.Gpu;
import io.crossdock.verify.harness.OnCuda;
import io.crossdock.verify.harness.RankLaunch;
import io.crossdock.verify.harness.RankProcesses;
import java.time.Duration;
import java.util.Optional;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;

/// The contract suite with two ranks as processes that share one GPU, through each kind of windows
/// that processes can have. They take turns on the GPU, so there are few cases.
@OnCuda
class GpuProcessesTest {
  private static final int CASES = 5;
  private static final long SEED = Long.getLong("crossdock.seed", 20_261_125);
  private static final Duration BOUND = Duration.ofSeconds(55);

  @Test
  void randomCasesOverIpc() throws Exception {
    run("ipc", "cuda-ipc", CASES);
  }

  @Test
  void randomCasesOverFabric() throws Exception {
    Optional<String> missing = missing();
    Assumptions.assumeTrue(missing.isEmpty(), () -> "no fabric handles: " + missing.orElseThrow());
    run("fabric", "cuda-fabric", CASES);
  }

  @Test
  void unlessToldOtherwiseRanksTakeFabricIfTheyCan() throws Exception {
    run("auto", missing().isEmpty() ? "cuda-fabric" : "cuda-ipc", 1);
  }

  @Test
  void fabricThatCannotBeIsRefusedOnAllRanks() throws Exception {
    Optional<String> missing = missing();
    Assumptions.assumeTrue(missing.isPresent(), "there are fabric handles");
    try (RankProcesses ranks =
        launch("fabric").start(GpuNoFabricBody.class, missing.orElseThrow())) {
      ranks.awaitSuccess(BOUND);
    }
  }

  private static void run(String windows, String transport, int cases) throws Exception {
    try (RankProcesses ranks =
        launch(windows)
            .start(
                GpuWindowsBody.class,
                transport,
                Long.toString(SEED * 100 + 2),
                Integer.toString(cases))) {
      ranks.awaitSuccess(BOUND);
    }
  }

  private static RankLaunch launch(String windows) {
    return RankLaunch.of(2).jvmOption("-Dcrossdock.cuda.windows=" + windows);
  }

  private static Optional<String> missing() {
    try (Context context = Context.retain(Gpu.of(0))) {
      return FabricProbe.missing(context);
    }
  }
}
