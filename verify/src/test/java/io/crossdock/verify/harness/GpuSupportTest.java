package io.crossdock.verify.harness;

import static org.assertj.core.api.Assertions.assertThat;

import io.crossdock.core.EngineInfo;
import io.crossdock.core.Engines;
import java.util.List;
import org.junit.jupiter.api.Test;

final class GpuSupportTest {
  private static final EngineInfo HOST = new EngineInfo("host", "cores=2", List.of());

  @Test
  void saysThatTheEngineIsAbsent() {
    assertThat(GpuSupport.missing(List.of(HOST)))
        .contains("no GPU: cuda engine is not in this build");
  }

  @Test
  void saysAllReasonsOfTheEngine() {
    EngineInfo cuda = new EngineInfo("cuda", "nothing", List.of("no driver", "no device"));
    assertThat(GpuSupport.missing(List.of(HOST, cuda))).contains("no GPU: no driver, no device");
  }

  @Test
  void missesNothingWhereTheEngineCanRun() {
    EngineInfo cuda = new EngineInfo("cuda", "one GPU", List.of());
    assertThat(GpuSupport.missing(List.of(HOST, cuda))).isEmpty();
  }

  @Test
  @RequiresGpu
  void theEngineOpens() {
    assertThat(Engines.open(GpuSupport.ENGINE)).isNotNull();
  }
}
