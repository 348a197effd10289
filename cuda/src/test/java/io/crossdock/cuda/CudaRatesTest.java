package io.crossdock.cuda;

import static io.crossdock.cuda.LinkRates.NO_LINK;
import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

/// How many multiprocessors a call takes when nobody says.
class CudaRatesTest {
  private static final CudaRates H200 = new CudaRates(55_000, 2_139_000);

  @Test
  void asManyAsReachTheLimitAndNoMoreThanAShare() {
    assertThat(H200.choose(132, 4, NO_LINK)).isEqualTo(10);
    assertThat(H200.choose(132, 1, NO_LINK)).isEqualTo(40);
    assertThat(H200.choose(132, 33, NO_LINK)).isEqualTo(2);
    assertThat(new CudaRates(1_000, 2_139_000).choose(132, 8, NO_LINK)).isEqualTo(16);
  }

  @Test
  void twentyWhereNothingIsKnown() {
    assertThat(CudaRates.UNKNOWN.choose(132, 1, NO_LINK)).isEqualTo(20);
    assertThat(H200.choose(132, 1, 0)).isEqualTo(20);
    assertThat(CudaRates.UNKNOWN.choose(132, 16, NO_LINK)).isEqualTo(8);
  }

  @Test
  void aSlowerLinkTakesFewer() {
    assertThat(H200.choose(132, 1, 400_000)).isEqualTo(8);
    assertThat(H200.choose(132, 2, 400_000)).isEqualTo(4);
    assertThat(H200.choose(132, 1, 25_000)).isEqualTo(2);
    assertThat(H200.choose(132, 1, 5_000_000)).isEqualTo(40);
  }

  @Test
  void aShareOfOneIsOne() {
    assertThat(H200.choose(132, 100, NO_LINK)).isEqualTo(1);
  }
}
