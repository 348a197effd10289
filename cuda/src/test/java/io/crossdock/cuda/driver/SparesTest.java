package io.crossdock.cuda.driver;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class SparesTest {
  private final Spares<String, Integer> spares = new Spares<>();

  @Test
  void thingGoesOnceAndOnlyToWhoAsksForItsKind() {
    spares.keep("a", 1);
    assertThat(spares.take("b")).isNull();
    assertThat(spares.take("a")).isEqualTo(1);
    assertThat(spares.take("a")).isNull();
  }

  @Test
  void everythingThatIsKeptIsReleasedOnce() {
    spares.keep("a", 1);
    spares.keep("b", 2);
    spares.keep("b", 3);
    spares.take("a");
    List<Integer> released = new ArrayList<>();
    spares.releaseAll(released::add);
    spares.releaseAll(released::add);
    assertThat(released).containsExactlyInAnyOrder(2, 3);
    assertThat(spares.take("b")).isNull();
  }

  @ParameterizedTest
  @CsvSource({"1, 4096", "4096, 4096", "4097, 8192", "8192, 8192", "1000000, 1048576"})
  void pinnedMemoryComesInPowersOfTwo(long byteSize, long expected) {
    assertThat(PinnedMemory.roundUp(byteSize)).isEqualTo(expected);
  }
}
