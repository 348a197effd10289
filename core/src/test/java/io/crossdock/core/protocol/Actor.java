package io.crossdock.core.protocol;

import static io.crossdock.core.protocol.Violation.check;

import java.util.Arrays;
import java.util.List;

/// One thread of a rank: the caller's, or that of the communication stream. It works off its script
/// in atomic steps, in the order of the host engine; [CallSteps] has those of a call.
///
/// Steps that no other thread can notice happen together with the step before.
final class Actor {
  final World world;
  final Rank me;
  private final List<Op> script;

  /// True if the rank has a second thread.
  private final boolean shared;

  private final CallSteps steps;
  private int next;
  Phase phase = Phase.START;

  /// Where a poll goes back to.
  private Phase resume = Phase.START;

  /// What follows the check for an abort.
  private Phase then = Phase.START;

  /// The peer to load from, or awaited.
  int peer;

  /// The peer that a poll loads from.
  private int polled;

  /// What a call that is being refused, or aborted, ends with.
  Outcome failure = Outcome.NEW;

  Actor(World world, Rank me, List<Op> script, boolean shared) {
    this.world = world;
    this.me = me;
    this.script = script;
    this.shared = shared;
    this.steps = new CallSteps(this);
  }

  boolean isDone() {
    return next == script.size();
  }

  Op op() {
    return script.get(next);
  }

  Call call() {
    return op().made();
  }

  boolean isEnabled(Choice choice) {
    if (isDone()) {
      return false;
    }
    return switch (choice) {
      case STEP -> isStepEnabled();
      case POLL -> phase.isWait() && world.rules.pollsPeers() && hasNews();
      case GIVE_UP -> mayGiveUp();
    };
  }

  private boolean isStepEnabled() {
    return switch (phase) {
      case START -> !(op() instanceof Op.Run run) || me.outcomes[run.call().id] != Outcome.NEW;
      case AWAIT_IDLE -> me.numPending == 0;
      case AWAIT_EVENT -> me.outcomes[resultOf().id].isFinal();
      case AWAIT_ENTRY, AWAIT_FINISHED, AWAIT_PULLED -> isCellThere();
      case AWAIT_GATHER -> world.numGathered >= me.numResets * Scenario.NUM_RANKS;
      case AWAIT_RESTORED -> world.numRestored >= me.numResets * Scenario.NUM_RANKS;
      default -> true;
    };
  }

  /// {@return true if the awaited peer published what is waited for}
  private boolean isCellThere() {
    Page page = world.pages[peer];
    long epoch = me.protocol.epoch();
    return switch (phase == Phase.RECHECK ? resume : phase) {
      case AWAIT_ENTRY -> page.slotEpochs[world.rules.slot(epoch)] >= epoch;
      case AWAIT_FINISHED -> page.finished >= epoch;
      default -> page.pulled >= me.protocol.nextPulled();
    };
  }

  /// A poll that finds nothing new changes nothing, so it need not happen.
  private boolean hasNews() {
    for (int rank = 0; rank < me.heard.length; rank++) {
      if (world.pages[rank].state != me.heard[rank]) {
        return true;
      }
    }
    return me.protocol.abortedRank() >= 0
        || (world.rules.isGone(me.protocol, peer) && !isCellThere());
  }

  private boolean mayGiveUp() {
    Call call = call();
    if (call == null) {
      return false;
    }
    boolean moving = phase == Phase.PLACE || phase == Phase.PULL;
    return (phase.isWait() && call.mayGiveUp[me.index]) || (moving && call.mayBreak[me.index]);
  }

  void take(Choice choice) {
    switch (choice) {
      case STEP -> step();
      case POLL -> poll();
      case GIVE_UP -> abort(phase.isWait() ? Outcome.TIMED_OUT : Outcome.BROKEN);
    }
    settle();
  }

  /// Takes the steps that no other thread can notice: those that touch nothing shared, and those
  /// that only read what cannot change any more.
  void settle() {
    while (!isDone() && isUnnoticed() && isStepEnabled()) {
      step();
    }
  }

  private boolean isUnnoticed() {
    return switch (phase) {
      case START, AWAIT_IDLE, AWAIT_EVENT -> true;
      case CHECK_USABLE -> !world.scenario.mayFail() || peer == me.index;
      case OBSERVE_PULLED -> peer == me.index;
      case AWAIT_ENTRY, AWAIT_FINISHED, AWAIT_PULLED -> peer == me.index;
      default -> !shared && phase.touchesWindowsOnly();
    };
  }

  private void step() {
    switch (phase) {
      case START -> start();
      case AWAIT_IDLE -> idle();
      case AWAIT_EVENT -> phase = op() instanceof Op.Read ? Phase.READ_RESULT : Phase.CLOSE_RESULT;
      case CHECK_USABLE -> checkUsable();
      case POLL -> poll();
      case RECHECK -> recheck();
      case PUBLISH_ABORT -> abort(failure);
      case READ_RESULT -> readResult();
      case CLOSE_RESULT -> closeResult();
      case CLOSE_LENT -> closeLent();
      case LEAVE -> leave();
      case GATHER, AWAIT_GATHER, RESTORE_FINISHED, RESTORE_PULLED, RESTORED, AWAIT_RESTORED ->
          reset();
      default -> steps.step();
    }
  }

  private void start() {
    failure = Outcome.NEW;
    switch (op()) {
      case Op.Make make -> steps.admit();
      case Op.Submit submit -> steps.admit();
      case Op.Run run -> steps.startSubmitted();
      case Op.Read read -> phase = Phase.AWAIT_EVENT;
      case Op.Close close -> phase = Phase.AWAIT_EVENT;
      case Op.Lend lend -> phase = Phase.AWAIT_IDLE;
      case Op.Fill fill -> steps.startFill();
      case Op.CloseLent close -> phase = Phase.CLOSE_LENT;
      case Op.Reset reset -> phase = Phase.AWAIT_IDLE;
      case Op.Leave leave -> phase = Phase.AWAIT_IDLE;
    }
  }

  private void idle() {
    switch (op()) {
      case Op.Lend lend -> checkUsable(Phase.OBSERVE_PULLED);
      case Op.Reset reset -> phase = Phase.GATHER;
      case Op.Leave leave -> phase = Phase.LEAVE;
      default -> steps.idle();
    }
  }

  /// Looks whether a rank aborted, then goes on.
  void checkUsable(Phase following) {
    phase = Phase.CHECK_USABLE;
    then = following;
    peer = 0;
  }

  private void checkUsable() {
    if (world.pages[peer].state == PeerState.ABORTED) {
      end(Outcome.CLOSED);
    } else if (++peer == Scenario.NUM_RANKS) {
      phase = then;
      peer = 0;
      steps.enterPhase();
    }
  }

  /// Loads what the next rank says of itself; one that says nothing new is passed over.
  private void poll() {
    if (phase != Phase.POLL) {
      resume = phase;
      phase = Phase.POLL;
      polled = 0;
    }
    skipUnchanged();
    if (polled < Scenario.NUM_RANKS) {
      hear(polled, world.pages[polled].state);
      polled++;
      skipUnchanged();
    }
    if (polled == Scenario.NUM_RANKS) {
      judgePoll();
    }
  }

  private void skipUnchanged() {
    while (polled < Scenario.NUM_RANKS && world.pages[polled].state == me.heard[polled]) {
      polled++;
    }
  }

  private void hear(int rank, PeerState state) {
    me.heard[rank] = state;
    me.protocol.observeState(rank, state);
  }

  private void judgePoll() {
    if (me.protocol.abortedRank() >= 0) {
      fail(Outcome.ABORTED);
    } else {
      phase = world.rules.isGone(me.protocol, peer) ? Phase.RECHECK : resume;
    }
  }

  private void recheck() {
    if (isCellThere()) {
      phase = resume;
    } else {
      phase = Phase.PUBLISH_ABORT;
      failure = Outcome.PEER_LEFT;
    }
  }

  private void abort(Outcome outcome) {
    me.page.state = PeerState.ABORTED;
    hear(me.index, PeerState.ABORTED);
    fail(outcome);
  }

  /// The engine throws in the middle of a call.
  void fail(Outcome outcome) {
    steps.withdraw();
    end(outcome);
  }

  /// The operation is over.
  void end(Outcome outcome) {
    Call call = call();
    if (call != null && !(op() instanceof Op.Submit && outcome == Outcome.ADMITTED)) {
      check(call.allows(me.index, outcome), "call ended as " + outcome + ": " + this);
    }
    if (call != null) {
      me.outcomes[call.id] = outcome;
    }
    if (op() instanceof Op.Run) {
      me.numPending--;
    }
    steps.clear();
    peer = 0;
    next++;
    phase = Phase.START;
  }

  private Call resultOf() {
    return switch (op()) {
      case Op.Read read -> read.call();
      case Op.Close close -> close.call();
      default -> throw new IllegalStateException("no result: op=" + op());
    };
  }

  private void readResult() {
    Call call = resultOf();
    int window = me.windows[call.id];
    boolean received = me.outcomes[call.id] == Outcome.OK && !call.isCombine();
    if (received && world.oracle.holdsResult(me.index, window, call.id)) {
      steps.checkRows(call, window, 0);
    }
    end(Outcome.OK);
  }

  private void closeResult() {
    Call call = resultOf();
    int window = me.windows[call.id];
    if (window >= 0 && !call.owned) {
      world.oracle.endResult(me.index, window, call.id);
      world.rules.endLease(me.protocol.receive(), window, me.tickets[call.id]);
    }
    end(Outcome.OK);
  }

  private void closeLent() {
    int buffer = ((Op.CloseLent) op()).buffer();
    if (me.lentWindows[buffer] >= 0) {
      world.rules.endLease(me.protocol.output(), me.lentWindows[buffer], me.lentTickets[buffer]);
    }
    end(Outcome.OK);
  }

  private void leave() {
    if (me.page.state == PeerState.RUNNING) {
      me.page.state = PeerState.LEAVING;
    }
    end(Outcome.OK);
  }

  private void reset() {
    switch (phase) {
      case GATHER -> {
        world.highestEpoch = Math.max(world.highestEpoch, me.protocol.epoch());
        me.numResets++;
        world.numGathered++;
        if (world.numGathered == me.numResets * Scenario.NUM_RANKS) {
          world.oracle.reset();
        }
        phase = Phase.AWAIT_GATHER;
      }
      case AWAIT_GATHER -> {
        me.start = world.rules.restart(world.highestEpoch);
        me.page.state = PeerState.RUNNING;
        phase = Phase.RESTORE_FINISHED;
      }
      case RESTORE_FINISHED -> {
        me.page.finished = me.start;
        phase = Phase.RESTORE_PULLED;
      }
      case RESTORE_PULLED -> {
        me.page.pulled = me.start;
        phase = Phase.RESTORED;
      }
      case RESTORED -> {
        world.numRestored++;
        phase = Phase.AWAIT_RESTORED;
      }
      default -> {
        me.protocol.reset(me.start);
        Arrays.fill(me.heard, PeerState.RUNNING);
        end(Outcome.OK);
      }
    }
  }

  @Override
  public String toString() {
    String what = isDone() ? "done" : phase + " of " + op();
    return "rank " + me.index + " " + what + " epoch=" + me.protocol.epoch() + " peer=" + peer;
  }
}
