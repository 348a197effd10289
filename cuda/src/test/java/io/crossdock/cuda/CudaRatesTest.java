package io.crossdock.cuda;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

/// How many multiprocessors a call takes when nobody says.
class CudaRatesTest {
  private static final CudaRates H200 = new CudaRates(55_000, 2_139_000);

  @Test
  void asManyAsReachTheLimitAndNoMoreThanAShare() {
    assertThat(H200.choose(132, 4, false)).isEqualTo(10);
    assertThat(H200.choose(132, 1, false)).isEqualTo(40);
    assertThat(H200.choose(132, 33, false)).isEqualTo(2);
    assertThat(new CudaRates(1_000, 2_139_000).choose(132, 8, false)).isEqualTo(16);
  }

  @Test
  void twentyWhereNothingIsKnown() {
    assertThat(CudaRates.UNKNOWN.choose(132, 1, false)).isEqualTo(20);
    assertThat(H200.choose(132, 1, true)).isEqualTo(20);
    assertThat(CudaRates.UNKNOWN.choose(132, 16, false)).isEqualTo(8);
  }

  @Test
  void aShareOfOneIsOne() {
    assertThat(H200.choose(132, 100, false)).isEqualTo(1);
  }
}
