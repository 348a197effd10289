package io.crossdock.core.protocol;

/// What a rank shares with its peers: the cells they poll, the entries they read, and the windows
/// that they write to or pull from, one tag a row.
final class Page {
  PeerState state = PeerState.RUNNING;
  long finished;
  long pulled;
  final long[] slotEpochs = new long[ProtocolState.ENTRY_SLOTS];
  final Entry[] slots = new Entry[ProtocolState.ENTRY_SLOTS];
  final long[][] receive;
  final long[][] output;

  Page(Scenario scenario) {
    receive = new long[scenario.receiveWindows][scenario.capacityRows];
    output = new long[scenario.outputWindows][scenario.capacityRows];
    for (int slot = 0; slot < slots.length; slot++) {
      slots[slot] = newEntry();
    }
  }

  static Entry newEntry() {
    return new Entry(Scenario.NUM_RANKS, 0);
  }

  /// Names a row: what it was written for, who wrote it, and which one of its rows it is.
  static long tag(long purpose, int writer, long row) {
    return (purpose * 16 + writer) * 256 + row + 1;
  }

  static void copy(Entry from, Entry to) {
    to.kind = from.kind;
    to.window = from.window;
    to.capacityRows = from.capacityRows;
    to.outputRows = from.outputRows;
    to.numExperts = from.numExperts;
    to.handleEpoch = from.handleEpoch;
    to.round = from.round;
    to.canRound = from.canRound;
    to.reason = from.reason;
    System.arraycopy(from.rankCounts, 0, to.rankCounts, 0, from.rankCounts.length);
  }
}
