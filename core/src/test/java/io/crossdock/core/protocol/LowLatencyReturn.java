package io.crossdock.core.protocol;

import java.util.Arrays;

/// The steps of a rank in the handshake by which masked ranks come back, in the order of the host
/// engine.
final class LowLatencyReturn {
  private final LowLatencyActor rank;
  private final LowLatencyPage[] pages;
  private final LowLatencyPage page;
  private final LowLatencyRules rules;
  private final Rejoin rejoin;
  private final int me;

  /// What was looked at already: a second look would find the same.
  private final long[] looked;

  private long knock;
  private long mine;
  private int peer;

  LowLatencyReturn(LowLatencyActor rank) {
    this.rank = rank;
    this.me = rank.me;
    this.pages = rank.world.pages;
    this.page = rank.page;
    this.rules = rank.world.rules;
    this.rejoin = new Rejoin(me, pages.length);
    this.looked = new long[pages.length];
  }

  void start() {
    mine = LowLatencyState.generation(rank.state.epoch());
    knock = rules.knock(rejoin.begin(mine, new boolean[pages.length]));
    Arrays.fill(looked, 0);
    rank.phase = LowLatencyPhase.WRITE_GENERATION;
  }

  boolean mayLook(int at) {
    if (at == me) {
      return false;
    }
    return rank.phase == LowLatencyPhase.AWAIT_KNOCKS
        ? pages[at].knock != 0 && pages[at].knock != looked[at]
        : isAcknowledged(at) && looked[at] == 0;
  }

  private boolean isAcknowledged(int at) {
    long of = pages[at].ackKnocks[me];
    return of != 0 && rules.acknowledged(of, knock) == knock;
  }

  boolean isAwaited(int at) {
    return rank.phase == LowLatencyPhase.AWAIT_KNOCKS ? rejoin.isAbsent(at) : rejoin.isSilent(at);
  }

  void giveUp(int at) {
    rejoin.leaveOut(at);
  }

  void look(int at) {
    boolean knocks = rank.phase == LowLatencyPhase.AWAIT_KNOCKS;
    looked[at] = knocks ? pages[at].knock : knock;
    peer = at;
    rank.phase = knocks ? LowLatencyPhase.READ_GENERATION : LowLatencyPhase.READ_ACK_GENERATION;
  }

  void step() {
    switch (rank.phase) {
      case WRITE_GENERATION -> {
        page.knockGeneration = mine;
        rank.phase = LowLatencyPhase.PUBLISH_KNOCK;
      }
      case PUBLISH_KNOCK -> {
        page.knock = knock;
        rank.phase = LowLatencyPhase.AWAIT_KNOCKS;
      }
      case READ_GENERATION -> {
        rejoin.observeKnock(peer, looked[peer], pages[peer].knockGeneration);
        rank.phase = LowLatencyPhase.AWAIT_KNOCKS;
      }
      case UNMASK, WRITE_ACK_GENERATION, PUBLISH_ACK -> acknowledge();
      case READ_ACK_GENERATION -> {
        rejoin.observeAck(peer, looked[peer], pages[peer].ackGenerations[me]);
        rank.phase = LowLatencyPhase.AWAIT_ACKS;
      }
      case REMASK -> page.masks[peer] = rank.state.isMasked(peer);
      case PUBLISH_RESTART -> {
        page.completed = rank.state.completed();
        rank.phase = LowLatencyPhase.WITHDRAW_KNOCK;
      }
      default -> {
        page.knock = 0;
        rank.endOp();
      }
    }
  }

  private void acknowledge() {
    switch (rank.phase) {
      case UNMASK -> {
        page.masks[peer] = false;
        rank.phase = LowLatencyPhase.WRITE_ACK_GENERATION;
      }
      case WRITE_ACK_GENERATION -> {
        page.ackGenerations[peer] = rejoin.proposes();
        rank.phase = LowLatencyPhase.PUBLISH_ACK;
      }
      default -> {
        page.ackKnocks[peer] = rejoin.knockOf(peer);
        peer++;
        rank.phase = LowLatencyPhase.UNMASK;
      }
    }
  }

  boolean isSettling() {
    return switch (rank.phase) {
      case AWAIT_KNOCKS -> rejoin.nextAbsent() < 0 && goOn(LowLatencyPhase.UNMASK);
      case UNMASK -> nextAck();
      case AWAIT_ACKS -> rejoin.nextSilent() < 0 && restart();
      case REMASK -> nextMask();
      default -> false;
    };
  }

  private boolean goOn(LowLatencyPhase following) {
    rank.phase = following;
    peer = 0;
    return true;
  }

  private boolean nextAck() {
    while (peer < pages.length && (peer == me || rejoin.knockOf(peer) == 0)) {
      peer++;
    }
    if (peer == pages.length) {
      Arrays.fill(looked, 0);
      return goOn(LowLatencyPhase.AWAIT_ACKS);
    }
    if (page.masks[peer]) {
      return false;
    }
    rank.phase = LowLatencyPhase.WRITE_ACK_GENERATION;
    return true;
  }

  private boolean restart() {
    rank.state.restart(rules.raised(rejoin.end()), rejoin.absent());
    return goOn(LowLatencyPhase.REMASK);
  }

  private boolean nextMask() {
    while (peer < pages.length && page.masks[peer] == rank.state.isMasked(peer)) {
      peer++;
    }
    return peer == pages.length && goOn(LowLatencyPhase.PUBLISH_RESTART);
  }
}
