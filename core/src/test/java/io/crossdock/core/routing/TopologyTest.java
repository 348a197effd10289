package io.crossdock.core.routing;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.crossdock.core.InvalidInputException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class TopologyTest {
  @Test
  void expertsAndRanksHaveTheirPlaces() {
    Topology two = new Topology(6, 3, 24);
    assertThat(two.numNodes()).isEqualTo(2);
    assertThat(two.numLocalExperts()).isEqualTo(4);
    assertThat(two.rankOf(0)).isZero();
    assertThat(two.rankOf(3)).isZero();
    assertThat(two.rankOf(4)).isEqualTo(1);
    assertThat(two.rankOf(23)).isEqualTo(5);
    assertThat(two.nodeOf(2)).isZero();
    assertThat(two.nodeOf(3)).isEqualTo(1);
    Topology one = Topology.oneNode(7, 21);
    assertThat(one.numNodes()).isEqualTo(1);
    assertThat(one.rankOf(20)).isEqualTo(6);
    assertThat(one.nodeOf(6)).isZero();
  }

  @ParameterizedTest
  @CsvSource({"0, 1, 1", "1, 0, 1", "2, 1, 0", "4, 3, 4", "4, 8, 4", "4, 2, 6", "-4, -2, -4"})
  void whatDoesNotDivideIsRefused(int numRanks, int numLocalRanks, int numExperts) {
    assertThatThrownBy(() -> new Topology(numRanks, numLocalRanks, numExperts))
        .isInstanceOf(InvalidInputException.class)
        .hasMessageContaining("numRanks=" + numRanks)
        .hasMessageContaining("numExperts=" + numExperts);
  }
}
