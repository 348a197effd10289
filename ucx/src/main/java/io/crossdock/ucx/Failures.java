package io.crossdock.ucx;

import io.crossdock.ucx.binding.Status;

/// Words for why a peer is given up.
///
/// Safe for any thread.
final class Failures {
  private Failures() {}

  static String lost(Peer peer, byte status) {
    return "connection was lost: peer="
        + peer.rank
        + ", status="
        + status
        + ", text="
        + Status.text(status);
  }

  static String farewell(Peer peer) {
    return "peer closed its transport: peer=" + peer.rank;
  }

  static String stuck(Peer peer, long waitedMillis) {
    return "peer takes nothing in: peer="
        + peer.rank
        + ", underWay="
        + peer.slots.numUnderWay()
        + ", waitedMs="
        + waitedMillis;
  }

  static String outOfTurn(Peer peer, long sequence) {
    return "message came out of turn: peer="
        + peer.rank
        + ", expected="
        + peer.nextFromThere
        + ", seen="
        + sequence;
  }

  static String broken(Peer peer, String what, long value) {
    return "message was refused: peer=" + peer.rank + ", reason=" + what + ", value=" + value;
  }
}
