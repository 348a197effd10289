package io.crossdock.core.protocol;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class PatienceTest {
  private static final long TIMEOUT = 1000;
  private final Patience patience = new Patience(3, TIMEOUT);

  @Test
  void aPeerThatGivesNoSignHasTheTimeout() {
    patience.begin();
    assertThat(patience.isOver(1, TIMEOUT)).isFalse();
    assertThat(patience.isOver(1, TIMEOUT + 1)).isTrue();
  }

  @Test
  void aBeatThatMovesGivesThatPeerTheTimeoutAnew() {
    patience.begin();
    patience.observe(1, 7, 900);
    assertThat(patience.isOver(1, 1900)).isFalse();
    assertThat(patience.isOver(1, 1901)).isTrue();
    assertThat(patience.isOver(2, 1001)).isTrue();
  }

  @Test
  void aBeatThatStandsStillIsNoSign() {
    patience.begin();
    patience.observe(1, 7, 10);
    patience.observe(1, 7, 900);
    assertThat(patience.isOver(1, 1011)).isTrue();
  }

  @Test
  void whatWasSeenInTheWaitBeforeIsNoSignInThisOne() {
    patience.begin();
    patience.observe(1, 7, 900);
    patience.begin();
    patience.observe(1, 7, 500);
    assertThat(patience.isOver(1, TIMEOUT + 1)).isTrue();
  }

  @Test
  void noWaitLastsLongerThanATimeoutForEachRank() {
    patience.begin();
    for (long waited = 0; waited <= 3 * TIMEOUT; waited += 100) {
      patience.observe(1, waited + 1, waited);
      assertThat(patience.isOver(1, waited)).as("waited=%d", waited).isFalse();
    }
    patience.observe(1, -1, 3 * TIMEOUT + 1);
    assertThat(patience.isOver(1, 3 * TIMEOUT + 1)).isTrue();
  }

  @Test
  void aTimeoutForEverIsNoSmallerThreefold() {
    Patience endless = new Patience(3, Long.MAX_VALUE);
    endless.begin();
    assertThat(endless.isOver(1, Long.MAX_VALUE)).isFalse();
  }
}
