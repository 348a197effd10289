package io.crossdock.core;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import org.junit.jupiter.api.Test;

class LayoutTest {
  @Test
  void itsTensorsHaveTheSizesAskedFor() {
    Layout layout = Layout.allocate(Arena.ofAuto(), new Layout.Sizes(10, 4, 2, 8));
    assertThat(layout.numTokens()).isZero();
    assertThat(layout.maxTokens()).isEqualTo(10);
    assertThat(layout.numRanks()).isEqualTo(4);
    assertThat(layout.numExperts()).isEqualTo(8);
    assertThat(layout.tokensPerRank().shape()).containsExactly(4);
    assertThat(layout.tokensPerNode().orElseThrow().shape()).containsExactly(2);
    assertThat(layout.tokensPerExpert().shape()).containsExactly(8);
    assertThat(layout.tokenInRank().shape()).containsExactly(0, 4);
    layout.filled(3, null);
    assertThat(layout.tokenInRank().shape()).containsExactly(3, 4);
  }

  @Test
  void onOneNodeThereIsNoCountOfNodes() {
    Layout layout = Layout.allocate(Arena.ofAuto(), new Layout.Sizes(1, 4, 1, 8));
    assertThat(layout.tokensPerNode()).isEmpty();
  }

  @Test
  void countsAreReadByIndex() {
    Layout layout = Layout.allocate(Arena.ofAuto(), new Layout.Sizes(10, 4, 1, 8));
    layout.tokensPerRank().segment().setAtIndex(ValueLayout.JAVA_INT, 3, 5);
    layout.tokensPerExpert().segment().setAtIndex(ValueLayout.JAVA_INT, 7, 6);
    assertThat(layout.tokensToRank(3)).isEqualTo(5);
    assertThat(layout.tokensToExpert(7)).isEqualTo(6);
  }

  @Test
  void moreTokensThanFitAreRefused() {
    Layout layout = Layout.allocate(Arena.ofAuto(), new Layout.Sizes(10, 4, 1, 8));
    assertThatThrownBy(() -> layout.filled(11, null))
        .isInstanceOf(InvalidInputException.class)
        .hasMessageContaining("numTokens=11, maxTokens=10");
    assertThatThrownBy(() -> layout.filled(-1, null)).isInstanceOf(InvalidInputException.class);
    assertThat(layout.numTokens()).isZero();
  }
}
