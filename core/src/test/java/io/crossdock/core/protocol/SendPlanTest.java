package io.crossdock.core.protocol;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;

class SendPlanTest {
  private final SendPlan plan = new SendPlan();

  private void fill(int numRanks, int[]... tokens) {
    plan.start(tokens.length, numRanks, numRanks);
    for (int[] destinations : tokens) {
      plan.beginToken();
      for (int destination : destinations) {
        plan.add(destination);
      }
    }
  }

  @Test
  void countsPositionsByDestination() {
    fill(3, new int[] {0, 2}, new int[] {}, new int[] {2}, new int[] {0, 1, 2});
    assertThat(plan.numTokens()).isEqualTo(4);
    assertThat(plan.numEntries()).isEqualTo(6);
    assertThat(plan.numRanks()).isEqualTo(3);
    assertThat(plan.begin(1)).isEqualTo(plan.end(1)).isEqualTo(2);
    assertThat(plan.begin(3)).isEqualTo(3);
    assertThat(plan.end(3)).isEqualTo(6);
    assertThat(plan.rank(2)).isEqualTo(2);
    assertThat(plan.position(2)).isEqualTo(1);
    assertThat(plan.rank(5)).isEqualTo(2);
    assertThat(plan.position(5)).isEqualTo(2);
    assertThat(plan.count(0)).isEqualTo(2);
    assertThat(plan.count(1)).isEqualTo(1);
    assertThat(plan.count(2)).isEqualTo(3);
  }

  @Test
  void forgetsThePlanBefore() {
    fill(3, new int[] {0, 1, 2}, new int[] {0, 1, 2});
    fill(2, new int[] {1});
    assertThat(plan.numTokens()).isEqualTo(1);
    assertThat(plan.numEntries()).isEqualTo(1);
    assertThat(plan.numRanks()).isEqualTo(2);
    assertThat(plan.count(0)).isZero();
    assertThat(plan.count(1)).isEqualTo(1);
    assertThat(plan.position(0)).isZero();
  }

  @Test
  void takesNoTokensAtAll() {
    fill(2);
    assertThat(plan.numTokens()).isZero();
    assertThat(plan.numEntries()).isZero();
    assertThat(plan.count(1)).isZero();
  }

  @Test
  void refusesMoreEntriesThanAnArrayHolds() {
    assertThatThrownBy(() -> plan.start(1 << 20, 1 << 12, 4))
        .isInstanceOf(ArithmeticException.class);
  }
}
