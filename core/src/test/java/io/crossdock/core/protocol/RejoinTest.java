package io.crossdock.core.protocol;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

/// What one rank makes of knocks and acknowledgements, in orders that the network may bring.
class RejoinTest {
  private final Rejoin rejoin = new Rejoin(0, 3);

  /// Rank 1 has all acknowledgements and knocks for the next handshake while this rank still waits
  /// for rank 2's.
  @Test
  void aKnockForTheNextHandshakeIsLeftForIt() {
    long mine = rejoin.begin(4, new boolean[3]);
    rejoin.observeKnock(1, 1, 4);
    rejoin.observeKnock(2, 1, 4);
    assertThat(rejoin.nextAbsent()).isEqualTo(-1);
    rejoin.observeAck(1, mine, 5);
    rejoin.observeKnock(1, 2, 5);
    assertThat(rejoin.knockOf(1)).isEqualTo(1);
    assertThat(rejoin.nextSilent()).isEqualTo(2);
    rejoin.observeAck(2, mine, 5);
    assertThat(rejoin.end()).isEqualTo(5);

    rejoin.begin(5, new boolean[3]);
    assertThat(rejoin.nextAbsent()).isEqualTo(1);
    rejoin.observeKnock(1, 2, 5);
    assertThat(rejoin.nextAbsent()).isEqualTo(2);
  }

  /// What was seen first was the knock of an earlier handshake that this rank had no part in.
  @Test
  void aNewKnockOfARankThatDidNotAcknowledgeTakesTheOldOnesPlace() {
    rejoin.begin(4, new boolean[3]);
    rejoin.observeKnock(1, 1, 4);
    rejoin.observeKnock(1, 2, 7);
    assertThat(rejoin.knockOf(1)).isEqualTo(2);
    assertThat(rejoin.proposes()).isEqualTo(8);
  }

  /// What was seen first was an old knock, and the new one is seen only behind the peer's
  /// acknowledgement, when knocks are left for the next handshake.
  @Test
  void thePeersKnockIsTheOneThatItAcknowledgedWith() {
    long mine = rejoin.begin(4, new boolean[3]);
    rejoin.observeKnock(1, 3, 4);
    rejoin.observeAck(1, mine, 4, 9);
    assertThat(rejoin.knockOf(1)).isEqualTo(4);
    assertThat(rejoin.proposes()).isEqualTo(9);
    rejoin.observeKnock(1, 5, 9);
    assertThat(rejoin.knockOf(1)).isEqualTo(4);
    rejoin.observeAck(1, mine - 1, 6, 9);
    assertThat(rejoin.knockOf(1)).isEqualTo(4);
  }

  /// An acknowledgement may be seen before the knock.
  @Test
  void aKnockSeenAfterItsAcknowledgementCounts() {
    long mine = rejoin.begin(4, new boolean[3]);
    rejoin.observeAck(1, mine, 5);
    assertThat(rejoin.isAbsent(1)).isTrue();
    rejoin.observeKnock(1, 3, 4);
    assertThat(rejoin.isAbsent(1)).isFalse();
    assertThat(rejoin.knockOf(1)).isEqualTo(3);
  }
}
