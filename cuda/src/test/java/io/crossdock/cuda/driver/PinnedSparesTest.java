package io.crossdock.cuda.driver;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class PinnedSparesTest {
  @ParameterizedTest
  @CsvSource({"1, 4096", "4096, 4096", "4097, 8192", "8192, 8192", "1000000, 1048576"})
  void sizesArePowersOfTwo(long byteSize, long expected) {
    assertThat(PinnedSpares.roundUp(byteSize)).isEqualTo(expected);
  }

  @Test
  void blockGoesOnlyToWhoAsksForItsSize() {
    PinnedSpares spares = new PinnedSpares();
    PinnedSpares.Block block = new PinnedSpares.Block(0x10000, 0x20000, 8192);
    spares.keep(block);
    assertThat(spares.take(4096)).isNull();
    assertThat(spares.take(8192)).isSameAs(block);
    assertThat(spares.take(8192)).isNull();
  }
}
