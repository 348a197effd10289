package io.crossdock.core.protocol;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class NodeRoutesTest {
  private static final NodePlace RANK_3_OF_2_X_3 = new NodePlace(3, 6, 3);

  @Test
  void placesFollowEachOther() {
    assertThat(RANK_3_OF_2_X_3.numNodes()).isEqualTo(2);
    assertThat(RANK_3_OF_2_X_3.node()).isEqualTo(1);
    assertThat(RANK_3_OF_2_X_3.localRank()).isZero();
    assertThat(RANK_3_OF_2_X_3.firstNear()).isEqualTo(3);
    assertThat(RANK_3_OF_2_X_3.endNear()).isEqualTo(6);
    assertThat(RANK_3_OF_2_X_3.isNear(2)).isFalse();
    assertThat(RANK_3_OF_2_X_3.isNear(3)).isTrue();
    assertThat(new NodePlace(5, 6, 2).onRail(0)).isEqualTo(1);
    assertThat(NodePlace.onOneNode(4, 5).isNear(0)).isTrue();
  }

  @Test
  void aTokenIsInTheStreamOfANodeOnce() {
    NodeRoutes routes = new NodeRoutes(RANK_3_OF_2_X_3);
    routes.start(plan(new int[] {0, 2, 4}, new int[] {}, new int[] {3}, new int[] {1}));
    assertThat(routes.numRows(0)).isEqualTo(2);
    assertThat(routes.numRows(1)).isEqualTo(2);
    assertThat(routes.numRemoteRows()).isEqualTo(2);
    assertThat(routes.token(0, 0)).isZero();
    assertThat(routes.token(0, 1)).isEqualTo(3);
    assertThat(routes.index(0, 3)).isEqualTo(1);
    assertThat(routes.index(0, 2)).isEqualTo(NodeRoutes.NONE);
    assertThat(routes.index(1, 2)).isEqualTo(1);
  }

  @Test
  void relaysKeepTheirPositionsWhenTheyGrow() {
    NodeRoutes routes = new NodeRoutes(RANK_3_OF_2_X_3);
    routes.growRelay(0, 1);
    for (int local = 0; local < 3; local++) {
      routes.putRelay(0, 0, local, 10 + local);
    }
    routes.growRelay(0, 40);
    routes.growRelay(0, 2);
    assertThat(routes.numRelayRows(0)).isEqualTo(40);
    assertThat(routes.relayPosition(0, 0, 2)).isEqualTo(12);
    routes.start(plan(new int[] {0}));
    assertThat(routes.numRelayRows(0)).isZero();
    assertThat(routes.numRows(0)).isEqualTo(1);
  }

  private static SendPlan plan(int[]... tokens) {
    SendPlan plan = new SendPlan();
    plan.start(tokens.length, 6, 6);
    for (int[] ranks : tokens) {
      plan.beginToken();
      for (int rank : ranks) {
        plan.add(rank);
      }
    }
    return plan;
  }
}
