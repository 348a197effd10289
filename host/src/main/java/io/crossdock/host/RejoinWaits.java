package io.crossdock.host;

import io.crossdock.core.protocol.Rejoin;

/// What one handshake waits for: the knocks of all that take part, then their acknowledgements.
///
/// Confined to the thread that runs the call.
final class RejoinWaits {
  private final LowLatencyBoard board;
  private final int rank;
  private final int numRanks;
  private final Rejoin rejoin;

  RejoinWaits(HostContext context, LowLatencyBoard board, Rejoin rejoin) {
    this.board = board;
    this.rank = context.rank;
    this.numRanks = context.numRanks;
    this.rejoin = rejoin;
  }

  Wanted knocks() {
    return new Knocks();
  }

  /// @param acknowledge acknowledges all knocks that were seen
  Wanted acks(Runnable acknowledge) {
    return new Acks(acknowledge);
  }

  /// Takes in what all ranks show. A peer's knock is read before what it acknowledged: a knock for
  /// the next handshake comes behind its last acknowledgement of this one.
  ///
  /// @return true if there was a knock that was not seen before
  private boolean takeIn() {
    boolean changed = false;
    for (int peer = 0; peer < numRanks; peer++) {
      long before = rejoin.knockOf(peer);
      long knock = board.knock(peer);
      long theirs = board.knockGeneration(peer);
      long ack = board.ack(peer);
      if (peer != rank) {
        long of = LowLatencyBoard.acknowledged(ack);
        long from = LowLatencyBoard.acknowledgedWith(ack);
        rejoin.observeAck(peer, of, from, board.ackGeneration(peer));
      }
      if (knock != 0) {
        rejoin.observeKnock(peer, knock, theirs);
      }
      changed |= rejoin.knockOf(peer) != before;
    }
    return changed;
  }

  /// Knocks of all that take part in a handshake.
  private final class Knocks implements Wanted {
    @Override
    public void look(long waitedNanos) {
      takeIn();
    }

    @Override
    public int next() {
      return rejoin.nextAbsent();
    }

    @Override
    public Phase phase() {
      return Phase.REJOIN;
    }

    @Override
    public long expected() {
      return 1;
    }

    @Override
    public long seen(int peer) {
      return board.knock(peer);
    }

    @Override
    public boolean awaits(int peer) {
      return rejoin.isAbsent(peer);
    }

    @Override
    public void giveUp(int peer) {
      rejoin.leaveOut(peer);
    }
  }

  /// Acknowledgements of all that take part in a handshake.
  private final class Acks implements Wanted {
    private final Runnable acknowledge;

    Acks(Runnable acknowledge) {
      this.acknowledge = acknowledge;
    }

    @Override
    public void look(long waitedNanos) {
      if (takeIn()) {
        acknowledge.run();
      }
    }

    @Override
    public int next() {
      return rejoin.nextSilent();
    }

    @Override
    public Phase phase() {
      return Phase.REJOIN;
    }

    @Override
    public long expected() {
      return rejoin.knockOf(rank);
    }

    @Override
    public long seen(int peer) {
      return LowLatencyBoard.acknowledged(board.ack(peer));
    }

    @Override
    public boolean awaits(int peer) {
      return rejoin.isSilent(peer);
    }

    @Override
    public void giveUp(int peer) {
      rejoin.leaveOut(peer);
    }
  }
}
