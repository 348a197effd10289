package io.crossdock.cuda;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeFalse;

import io.crossdock.core.Engines;
import io.crossdock.cuda.driver.CudaProbe;
import org.junit.jupiter.api.Test;

class CudaDoctorTest {
  @Test
  void withoutDriverTheKernelsOfTheBuildAreStillTold() {
    assumeFalse(CudaProbe.isDriverRunning(), "there is a driver");
    assertThat(Engines.details("cuda"))
        .singleElement()
        .asString()
        .startsWith("kernels of this build: ");
  }

  @Test
  void anEngineThatIsNotThereHasNoDetails() {
    assertThat(Engines.details("abacus")).isEmpty();
  }

  /// 40 GB/s of one and 2000 of all: 50 multiprocessors reach the limit; four ranks need a quarter.
  @Test
  void ratesAreToldWithWhatFollowsFromThem() {
    assertThat(CudaDoctor.rates(new CudaRates(40_000, 2_000_000), 132))
        .contains("copies 40.0 GB/s, all 2000 GB/s")
        .endsWith("numSms=0 means for each rank: 50 of 1, 26 of 2, 14 of 4, 8 of 8");
  }
}
