package io.crossdock.cuda;

import static org.assertj.core.api.Assertions.assertThat;

import io.crossdock.core.EngineInfo;
import io.crossdock.core.Engines;
import org.junit.jupiter.api.Test;

/// The engine is found and says why it cannot run.
class CudaEngineProviderTest {
  @Test
  void theEngineIsListedWithItsReasons() {
    EngineInfo cuda =
        Engines.list().stream().filter(info -> info.name().equals("cuda")).findAny().orElseThrow();
    assertThat(cuda.isAvailable()).isEqualTo(cuda.reasons().isEmpty());
    assertThat(cuda.description()).isNotBlank();
  }
}
