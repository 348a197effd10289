package io.crossdock.core.protocol;

import static io.crossdock.core.protocol.Violation.check;

import java.util.Arrays;

/// One rank of the low-latency model. It works off its script in atomic accesses to memory, in the
/// order of the host engine; [LowLatencyReturn] has those of a handshake.
///
/// Accesses that no other rank can notice happen together with the one before.
final class LowLatencyActor {
  final LowLatencyWorld world;
  final int me;
  final LowLatencyState state;
  final LowLatencyPage page;
  LowLatencyPhase phase = LowLatencyPhase.START;
  private final LowLatencyReturn handshake;
  private final LowLatencyTerms mine = new LowLatencyTerms();

  /// By call.
  private final long[] epochs;

  private final LowLatencyOutcome[] outcomes;

  /// Rows that the flags of a call announced, and the calls they belong to, by line.
  private final int[] announced;

  private final int[] announcedCalls;
  private LowLatencyOutcome ending = LowLatencyOutcome.OPEN;
  private int next;
  private boolean isDead;
  private int peer;
  private int row;
  private int word;

  LowLatencyActor(LowLatencyWorld world, int me) {
    this.world = world;
    this.me = me;
    this.page = world.pages[me];
    int numRanks = world.scenario.numRanks;
    int numCalls = world.scenario.calls.size();
    this.state = new LowLatencyState(numRanks);
    this.handshake = new LowLatencyReturn(this);
    this.epochs = new long[numCalls];
    this.outcomes = new LowLatencyOutcome[numCalls];
    Arrays.fill(outcomes, LowLatencyOutcome.OPEN);
    this.announced = new int[LowLatencyState.SLOT_SETS * numRanks];
    this.announcedCalls = new int[LowLatencyState.SLOT_SETS * numRanks];
    settle();
  }

  boolean isDone() {
    return isDead || next == world.scenario.scripts.get(me).size();
  }

  private LowLatencyOp op() {
    return world.scenario.scripts.get(me).get(next);
  }

  private LowLatencyCall call() {
    return switch (op()) {
      case LowLatencyOp.Send send -> send.call();
      case LowLatencyOp.Receive receive -> receive.call();
      default -> throw new IllegalStateException("no call: op=" + op());
    };
  }

  private long epoch() {
    return epochs[call().id];
  }

  boolean mayDie() {
    return world.scenario.mortal == me;
  }

  void die() {
    isDead = true;
  }

  // What a waiting rank may see.

  boolean mayLook(int at) {
    return switch (phase) {
      case AWAIT_GRANTS -> at == state.nextUngranted() && (isGranted(at) || isRefused(at));
      case AWAIT_FLAGS -> isUnseen(at) && (hasFlag(at) || isRefused(at));
      default -> handshake.mayLook(at);
    };
  }

  private boolean isUnseen(int at) {
    return !state.isMasked(at) && !state.counts(epoch(), at);
  }

  private boolean isGranted(int at) {
    return world.pages[at].completed >= state.neededMark();
  }

  private boolean isRefused(int at) {
    long epoch = epoch();
    return world.rules.publishesRefusals()
        && world.pages[at].refusals[LowLatencyState.set(epoch)] == epoch;
  }

  private boolean hasFlag(int at) {
    long epoch = epoch();
    return world.rules.isFlagOf(page.flags[page.line(epoch, at)], epoch);
  }

  boolean mayGiveUp(int at) {
    if (at == me || !isAwaited(at)) {
      return false;
    }
    if (world.scenario.isPrompt) {
      return mayRunOutOfTime(at);
    }
    int silent = world.scenario.silent;
    boolean any = silent == LowLatencyScenario.ANYBODY;
    if (op() instanceof LowLatencyOp.Return back) {
      return world.ranks[at].isDead
          || (back.mayLeaveOut() && (any || at == silent || me == silent));
    }
    return world.ranks[at].isDead || (call().mayTimeOut && (any || at == silent));
  }

  /// Who waits for a dead rank waits as long as those who wait for him.
  private boolean mayRunOutOfTime(int at) {
    LowLatencyActor other = world.ranks[at];
    boolean isHeldUp = !other.isDone() && other.phase.isWait() && other.awaitsDead();
    return other.isDead || (isHeldUp && !world.rules.sparesWhoWaits());
  }

  private boolean awaitsDead() {
    for (LowLatencyActor other : world.ranks) {
      if (other.isDead && isAwaited(other.me)) {
        return true;
      }
    }
    return false;
  }

  private boolean isAwaited(int at) {
    return switch (phase) {
      case AWAIT_GRANTS -> !state.isMasked(at) && !isGranted(at);
      case AWAIT_FLAGS -> isUnseen(at);
      default -> handshake.isAwaited(at);
    };
  }

  boolean mayFindMasked() {
    if (!phase.isWait() || phase.isRejoinWait() || !world.rules.looksForMasks()) {
      return false;
    }
    for (int at = 0; at < world.pages.length; at++) {
      if (!state.isMasked(at) && world.pages[at].masks[me]) {
        return true;
      }
    }
    return false;
  }

  void look(int at) {
    switch (phase) {
      case AWAIT_GRANTS -> {
        state.observeCompleted(at, world.pages[at].completed);
        if (state.nextUngranted() == at) {
          fail(LowLatencyOutcome.REFUSED);
        }
      }
      case AWAIT_FLAGS -> lookAtFlag(at);
      default -> handshake.look(at);
    }
  }

  private void lookAtFlag(int at) {
    if (!hasFlag(at)) {
      fail(LowLatencyOutcome.REFUSED);
      return;
    }
    fillTerms(call());
    int line = page.line(epoch(), at);
    check(page.flagEpochs[line] == epoch(), "flag of another epoch taken: " + this);
    if (!mine.agrees(page.terms[line])) {
      fail(LowLatencyOutcome.MISMATCH);
      return;
    }
    boolean same = page.flagCalls[line] == call().id || !world.scenario.isInStep;
    check(same, "flag of another call taken: " + this);
    announced[line] = page.counts[line];
    announcedCalls[line] = page.flagCalls[line];
    state.observe(epoch(), at);
    state.observeCompleted(at, page.marks[line]);
  }

  private void fillTerms(LowLatencyCall call) {
    mine.kind = call.kind;
    mine.format = call.formats[me];
  }

  void giveUp(int at) {
    boolean isAlive = !world.ranks[at].isDead;
    check(
        !isAlive || !world.scenario.isPrompt, "living rank was given up: peer=" + at + " " + this);
    if (phase.isRejoinWait()) {
      handshake.giveUp(at);
    } else {
      state.mask(at);
      page.masks[at] = true;
    }
  }

  /// The call throws; its slots are free.
  void fail(LowLatencyOutcome outcome) {
    ending = outcome;
    phase = LowLatencyPhase.PUBLISH_COMPLETED;
  }

  // Accesses to memory.

  void step() {
    switch (phase) {
      case WRITE_ROW -> writeWord();
      case WRITE_TERMS -> writeTerms();
      case PUBLISH_FLAG -> publishFlag();
      case READ_ROW -> readWord();
      case PUBLISH_REFUSAL -> {
        page.refusals[LowLatencyState.set(epoch())] = epoch();
        fail(LowLatencyOutcome.INVALID);
      }
      case PUBLISH_COMPLETED -> publishCompleted();
      case PUBLISH_MASK -> {
        int masked = ((LowLatencyOp.Mask) op()).peer();
        state.mask(masked);
        page.masks[masked] = true;
        endOp();
      }
      default -> handshake.step();
    }
  }

  private void writeWord() {
    long epoch = epoch();
    LowLatencyCall call = call();
    int lane = world.rules.lane(me);
    long[] slots = world.pages[peer].lane(world.rules.rowSet(epoch), call.kind, lane);
    slots[row * LowLatencyPage.WORDS + word] = call.word(me, peer, row, word);
    moveOn();
  }

  private void readWord() {
    long epoch = epoch();
    LowLatencyCall call = call();
    int lane = world.rules.lane(peer);
    LowLatencyCall theirs = world.scenario.calls.get(announcedCalls[page.line(epoch, peer)]);
    long found =
        page.lane(world.rules.rowSet(epoch), call.kind, lane)[row * LowLatencyPage.WORDS + word];
    check(found == theirs.word(peer, me, row, word), "row is not the one sent: " + this);
    moveOn();
  }

  private void moveOn() {
    if (++word == LowLatencyPage.WORDS) {
      word = 0;
      row++;
    }
  }

  private void writeTerms() {
    LowLatencyPage to = world.pages[peer];
    int line = to.line(epoch(), me);
    fillTerms(call());
    to.terms[line].kind = mine.kind;
    to.terms[line].format = mine.format;
    to.counts[line] = call().rows[me][peer];
    to.marks[line] = page.completed;
    to.flagCalls[line] = call().id;
    to.flagEpochs[line] = epoch();
    phase = LowLatencyPhase.PUBLISH_FLAG;
  }

  private void publishFlag() {
    LowLatencyPage to = world.pages[peer];
    to.flags[to.line(epoch(), me)] = epoch();
    phase = LowLatencyPhase.WRITE_TERMS;
    peer++;
  }

  private void publishCompleted() {
    state.complete(epoch());
    page.completed = state.completed();
    if (ending == LowLatencyOutcome.OPEN) {
      begin(LowLatencyPhase.READ_ROW);
    } else {
      endCall(ending);
    }
  }

  // What comes next.

  /// Goes on to the next access that another rank can notice.
  void settle() {
    while (!isDone() && isSettling()) {}
  }

  /// {@return true if it went on}
  private boolean isSettling() {
    return switch (phase) {
      case START -> start();
      case AWAIT_GRANTS -> sendIfGranted();
      case WRITE_ROW -> nextRow();
      case WRITE_TERMS -> nextFlag();
      case PUBLISH_FLAG -> stepIf(peer == me);
      case AWAIT_FLAGS -> packIfThere();
      case READ_ROW -> nextRead();
      case PUBLISH_REFUSAL, PUBLISH_COMPLETED, PUBLISH_MASK -> false;
      default -> handshake.isSettling();
    };
  }

  private boolean stepIf(boolean unnoticed) {
    if (unnoticed) {
      step();
    }
    return unnoticed;
  }

  private boolean start() {
    ending = LowLatencyOutcome.OPEN;
    switch (op()) {
      case LowLatencyOp.Send send -> {
        check(state.canBegin(), "no free slots: " + this);
        epochs[send.call().id] = state.begin();
        phase = LowLatencyPhase.AWAIT_GRANTS;
      }
      case LowLatencyOp.Receive receive -> startReceive(receive.call());
      case LowLatencyOp.FindNoSlots find -> {
        check(!state.canBegin(), "slots of a pending call are free: " + this);
        endOp();
      }
      case LowLatencyOp.Mask mask -> phase = LowLatencyPhase.PUBLISH_MASK;
      case LowLatencyOp.Return back -> handshake.start();
    }
    return true;
  }

  private void startReceive(LowLatencyCall call) {
    if (outcomes[call.id] != LowLatencyOutcome.OPEN) {
      endOp();
    } else if (!state.isOpen(epoch())) {
      endCall(LowLatencyOutcome.ABANDONED);
    } else {
      phase = LowLatencyPhase.AWAIT_FLAGS;
    }
  }

  private boolean sendIfGranted() {
    state.observeCompleted(me, page.completed);
    if (world.rules.awaitsGrants() && state.nextUngranted() >= 0) {
      return false;
    }
    begin(call().refusers[me] ? LowLatencyPhase.PUBLISH_REFUSAL : LowLatencyPhase.WRITE_ROW);
    return true;
  }

  private void begin(LowLatencyPhase following) {
    phase = following;
    peer = 0;
    row = 0;
    word = 0;
  }

  private boolean nextRow() {
    while (peer < world.pages.length && (state.isMasked(peer) || row >= call().rows[me][peer])) {
      peer++;
      row = 0;
    }
    if (peer == world.pages.length) {
      begin(LowLatencyPhase.WRITE_TERMS);
      return true;
    }
    return stepIf(peer == me);
  }

  private boolean nextFlag() {
    while (peer < world.pages.length && state.isMasked(peer)) {
      peer++;
    }
    if (peer == world.pages.length) {
      endOp();
      return true;
    }
    return stepIf(peer == me);
  }

  private boolean packIfThere() {
    if (isUnseen(me) && hasFlag(me)) {
      lookAtFlag(me);
    }
    if (phase != LowLatencyPhase.AWAIT_FLAGS || state.nextUnseen(epoch()) >= 0) {
      return false;
    }
    boolean early = world.rules.completesBeforePacking();
    begin(early ? LowLatencyPhase.PUBLISH_COMPLETED : LowLatencyPhase.READ_ROW);
    return true;
  }

  private boolean nextRead() {
    while (peer < world.pages.length
        && (!state.counts(epoch(), peer) || row >= announced[page.line(epoch(), peer)])) {
      check(state.counts(epoch(), peer) || !call().isFull, "rank is missing: " + this);
      peer++;
      row = 0;
    }
    if (peer == world.pages.length) {
      if (world.rules.completesBeforePacking()) {
        endCall(LowLatencyOutcome.OK);
      } else {
        fail(LowLatencyOutcome.OK);
      }
      return true;
    }
    return stepIf(peer == me);
  }

  private void endCall(LowLatencyOutcome outcome) {
    outcomes[call().id] = outcome;
    check(mayEnd(outcome), "call ended as " + outcome + ": " + this);
    endOp();
  }

  void endOp() {
    next++;
    begin(LowLatencyPhase.START);
  }

  private boolean mayEnd(LowLatencyOutcome outcome) {
    LowLatencyCall call = call();
    int silent = world.scenario.silent;
    boolean isAny = silent == LowLatencyScenario.ANYBODY || !world.scenario.isInStep;
    return switch (outcome) {
      case OK -> !world.scenario.isInStep || !(call.isRefused() || call.isMixed());
      case INVALID -> call.refusers[me];
      case REFUSED -> call.isRefused() || isAny;
      case MISMATCH -> call.isMixed() || isAny;
      case MASKED -> !call.isFull && (isAny || silent == me);
      case ABANDONED -> op() instanceof LowLatencyOp.Receive && !call.isFull;
      case OPEN -> false;
    };
  }

  @Override
  public String toString() {
    String what = isDone() ? "done" : phase + " of " + op();
    return "rank " + me + " " + what + " epoch=" + Long.toHexString(state.epoch()) + " at=" + peer;
  }
}
