package io.crossdock.core.protocol;

import static io.crossdock.core.protocol.Violation.check;

/// The steps of a call, in the order of the host engine's runners.
final class CallSteps {
  private final Actor actor;
  private final World world;
  private final Rank me;
  private final ProtocolState protocol;
  private int window = -1;
  private int round;
  private int row;
  private boolean published;
  private boolean entered;

  CallSteps(Actor actor) {
    this.actor = actor;
    this.world = actor.world;
    this.me = actor.me;
    this.protocol = me.protocol;
  }

  void clear() {
    window = -1;
    round = 0;
    row = 0;
    published = false;
    entered = false;
  }

  private Call call() {
    return actor.call();
  }

  private WindowSet windows() {
    return call().isCombine() ? protocol.output() : protocol.receive();
  }

  private boolean isRefusing() {
    return actor.failure != Outcome.NEW;
  }

  void step() {
    switch (actor.phase) {
      case RESERVE -> reserve();
      case OBSERVE_PULLED -> observePulled();
      case ACQUIRE_OUTPUT -> acquireOutput();
      case AWAIT_PULLED -> awaitPulled();
      case STAGE -> stage();
      case AWAIT_ENTRY -> actor.phase = Phase.READ_ENTRY;
      case READ_ENTRY -> readEntry();
      case PUBLISH_ENTRY -> publishEntry();
      case PLACE -> place();
      case PUBLISH_FINISHED -> publishFinished();
      case AWAIT_FINISHED -> awaitFinished();
      case COPY_OUT -> copyOut();
      case LEASE_RESULT -> leaseResult();
      case PULL -> pull();
      case LEAVE_OUTPUT -> leaveOutput();
      case PUBLISH_PULLED -> publishPulled();
      case FILL -> fill();
      default -> throw new IllegalStateException("not a step of a call: phase=" + actor.phase);
    }
  }

  /// EpBuffer: a call is admitted on the caller's thread.
  void admit() {
    if (call().invalid[me.index]) {
      refuse(Outcome.INVALID);
    } else {
      actor.checkUsable(Phase.RESERVE);
    }
  }

  private void reserve() {
    Call call = call();
    if (call.isCombine()) {
      reserveOutput(call);
    } else {
      window = world.rules.acquireReceive(protocol);
      if (window >= 0) {
        world.oracle.takeReceive(me.index, window);
        me.tickets[call.id] = protocol.receive().ticket(window);
      }
    }
    boolean needed = !call.isCombine() || call.buffers[me.index] >= 0;
    if (needed && window < 0) {
      refuse(Outcome.LEASE);
      return;
    }
    me.windows[call.id] = window;
    if (actor.op() instanceof Op.Submit) {
      me.numPending++;
      actor.end(Outcome.ADMITTED);
    } else {
      actor.phase = Phase.AWAIT_IDLE;
    }
  }

  private void reserveOutput(Call call) {
    int buffer = call.buffers[me.index];
    if (buffer < 0) {
      return;
    }
    int lent = me.lentWindows[buffer];
    window = lent >= 0 && world.rules.claimAtAdmission(protocol.output(), lent) ? lent : -1;
  }

  /// The stream is idle: a synchronous call starts, or a refusal is published.
  void idle() {
    if (isRefusing()) {
      actor.checkUsable(Phase.PUBLISH_ENTRY);
    } else {
      startReserved();
    }
  }

  /// The stream comes to a submitted call; one that was refused when it was made is over.
  void startSubmitted() {
    Call call = call();
    if (me.outcomes[call.id] != Outcome.ADMITTED) {
      me.numPending++;
      actor.end(me.outcomes[call.id]);
      return;
    }
    window = me.windows[call.id];
    startReserved();
  }

  private void startReserved() {
    Call call = call();
    if (call.isCombine() && call.late[me.index]) {
      if (window >= 0) {
        protocol.output().withdraw(window);
      }
      window = -1;
      actor.failure = Outcome.INVALID;
      actor.checkUsable(Phase.PUBLISH_ENTRY);
    } else {
      actor.checkUsable(call.isCombine() ? Phase.STAGE : Phase.PUBLISH_ENTRY);
    }
  }

  private void refuse(Outcome reason) {
    actor.failure = reason;
    actor.phase = Phase.AWAIT_IDLE;
  }

  /// Called when the check for an abort passed.
  void enterPhase() {
    if (actor.phase == Phase.STAGE) {
      startCombine();
    } else if (actor.phase == Phase.PUBLISH_ENTRY) {
      if (!isRefusing() && call().late[me.index]) {
        actor.failure = Outcome.INVALID;
      }
      awaitEntriesBefore();
    }
  }

  private void startCombine() {
    if (window < 0) {
      actor.phase = Phase.OBSERVE_PULLED;
    } else {
      world.rules.claimAtStart(protocol.output(), window);
      awaitEntriesBefore();
    }
  }

  private void observePulled() {
    protocol.observePulled(actor.peer, world.pages[actor.peer].pulled);
    if (++actor.peer == Scenario.NUM_RANKS) {
      actor.phase = Phase.ACQUIRE_OUTPUT;
    }
  }

  private void acquireOutput() {
    int found = world.rules.acquireOutput(protocol);
    if (found >= 0) {
      world.oracle.stage(me.index, found);
      takeOutput(found);
    } else if (protocol.nextPulled() >= 0) {
      actor.phase = Phase.AWAIT_PULLED;
      actor.peer = protocol.nextUnpulled(protocol.nextPulled());
    } else if (actor.op() instanceof Op.Lend) {
      actor.end(Outcome.LEASE);
    } else {
      actor.failure = Outcome.LEASE;
      awaitEntriesBefore();
    }
  }

  private void takeOutput(int found) {
    if (actor.op() instanceof Op.Lend lend) {
      me.lentWindows[lend.buffer()] = found;
      me.lentTickets[lend.buffer()] = protocol.output().ticket(found);
      protocol.output().hand(found, WindowSet.Holder.LEASE, protocol.epoch());
      actor.end(Outcome.OK);
    } else {
      window = found;
      row = 0;
      actor.phase = Phase.STAGE;
      skipStaged();
    }
  }

  private void awaitPulled() {
    protocol.observePulled(actor.peer, world.pages[actor.peer].pulled);
    int peer = protocol.nextUnpulled(protocol.nextPulled());
    if (peer < 0) {
      actor.phase = Phase.ACQUIRE_OUTPUT;
    } else {
      actor.peer = peer;
    }
  }

  private long firstRow() {
    return (long) round * world.scenario.capacityRows;
  }

  private int rowsHere(HandleData handle) {
    long rows = handle.numRecvRows() - firstRow();
    return Math.toIntExact(Math.clamp(rows, 0, world.scenario.capacityRows));
  }

  private void stage() {
    world.oracle.stage(me.index, window);
    me.page.output[window][row] = Page.tag(call().id + 1, me.index, firstRow() + row);
    row++;
    skipStaged();
  }

  private void skipStaged() {
    if (row >= rowsHere(me.handle(call()))) {
      awaitEntriesBefore();
    }
  }

  /// HostContext.publish: the entries of the epoch before are awaited first.
  private void awaitEntriesBefore() {
    published = false;
    entered = false;
    awaitEntry(world.rules.nextUnseenBefore(protocol));
  }

  private void awaitEntry(int peer) {
    if (peer >= 0) {
      actor.peer = peer;
      actor.phase = Phase.AWAIT_ENTRY;
    } else if (published) {
      conclude();
    } else {
      actor.phase = Phase.PUBLISH_ENTRY;
    }
  }

  private void readEntry() {
    int peer = actor.peer;
    long epoch = protocol.epoch();
    int slot = world.rules.slot(epoch);
    Page page = world.pages[peer];
    check(page.slotEpochs[slot] == epoch, "entry of another epoch read: " + actor);
    world.oracle.readEntry(me.index, peer, slot);
    Page.copy(page.slots[slot], protocol.entry(peer));
    protocol.observe(peer);
    boolean before = !published;
    awaitEntry(before ? world.rules.nextUnseenBefore(protocol) : world.rules.nextUnseen(protocol));
  }

  private void publishEntry() {
    Entry mine = protocol.entry(me.index);
    if (isRefusing()) {
      mine.refuse(actor.failure.name());
    } else {
      fillEntry(mine);
    }
    long epoch = protocol.begin();
    int slot = world.rules.slot(epoch);
    world.oracle.publishEntry(me.index, slot);
    Page.copy(mine, me.page.slots[slot]);
    me.page.slotEpochs[slot] = epoch;
    protocol.observe(me.index);
    if (isRefusing()) {
      world.oracle.conclude(epoch, Verdict.REFUSED);
      actor.fail(actor.failure);
      return;
    }
    open(epoch);
    published = true;
    awaitEntry(world.rules.nextUnseen(protocol));
  }

  private void open(long epoch) {
    if (call().isCombine()) {
      int buffer = call().buffers[me.index];
      boolean lent = buffer >= 0 && round == 0;
      world.oracle.openOutput(me.index, window, epoch, lent ? me.purposes[buffer] : call().id + 1);
    } else {
      world.oracle.openReceive(me.index, window, epoch);
    }
  }

  private void fillEntry(Entry entry) {
    Call call = call();
    HandleData handle = me.handle(call);
    if (call.isCombine()) {
      entry.kind = round == 0 ? CallKind.COMBINE : CallKind.COMBINE_ROUND;
    } else if (round > 0) {
      entry.kind = CallKind.DISPATCH_ROUND;
    } else {
      entry.kind =
          call.kind == Call.Kind.CACHED ? CallKind.CACHED_DISPATCH : CallKind.FRESH_DISPATCH;
    }
    entry.window = window;
    entry.capacityRows = world.scenario.capacityRows;
    entry.outputRows = Long.MAX_VALUE;
    entry.canRound = call.isCombine() || call.owned ? 1 : 0;
    entry.round = round;
    entry.handleEpoch = call.kind == Call.Kind.FRESH ? 0 : handle.epoch;
    for (int rank = 0; rank < Scenario.NUM_RANKS; rank++) {
      entry.rankCounts[rank] = handle.plan.count(rank);
    }
  }

  private void conclude() {
    long epoch = protocol.epoch();
    Verdict verdict = world.rules.verdict(protocol);
    world.oracle.conclude(epoch, verdict);
    if (verdict != Verdict.PROCEED) {
      world.oracle.giveUp(me.index, epoch);
      actor.fail(Outcome.of(verdict));
      return;
    }
    entered = true;
    row = 0;
    if (call().kind == Call.Kind.FRESH && round == 0) {
      takeCounts(epoch);
    }
    if (call().isCombine()) {
      actor.phase = Phase.PULL;
      skipElsewhere(Phase.LEAVE_OUTPUT);
    } else {
      actor.phase = Phase.PLACE;
      skipElsewhere(Phase.PUBLISH_FINISHED);
    }
  }

  private void takeCounts(long epoch) {
    HandleData handle = me.handle(call());
    handle.epoch = epoch;
    for (int source = 0; source < Scenario.NUM_RANKS; source++) {
      handle.setCounts(source, protocol.entry(source).rankCounts);
    }
  }

  /// Moves on to the next row of the plan that this round takes, or to the given phase.
  private void skipElsewhere(Phase following) {
    HandleData handle = me.handle(call());
    while (row < handle.plan.numEntries() && !isInRound(handle)) {
      row++;
    }
    if (row == handle.plan.numEntries()) {
      actor.phase = following;
    }
  }

  private boolean isInRound(HandleData handle) {
    long at = rowThere(handle) - (long) round * thereEntry(handle).capacityRows;
    return at >= 0 && at < thereEntry(handle).capacityRows;
  }

  private Entry thereEntry(HandleData handle) {
    return protocol.entry(handle.plan.rank(row));
  }

  private long rowThere(HandleData handle) {
    return handle.base(me.index, handle.plan.rank(row)) + handle.plan.position(row);
  }

  private void place() {
    HandleData handle = me.handle(call());
    int there = handle.plan.rank(row);
    Entry entry = protocol.entry(there);
    long epoch = protocol.epoch();
    world.oracle.place(there, entry.window, epoch);
    int at = Math.toIntExact(rowThere(handle) - (long) round * entry.capacityRows);
    world.pages[there].receive[entry.window][at] =
        Page.tag(epoch, me.index, handle.plan.position(row));
    row++;
    skipElsewhere(Phase.PUBLISH_FINISHED);
  }

  private void publishFinished() {
    me.page.finished = protocol.epoch();
    finishFrom(world.rules.nextUnfinished(protocol));
  }

  private void awaitFinished() {
    protocol.observeFinished(actor.peer, world.pages[actor.peer].finished);
    finishFrom(world.rules.nextUnfinished(protocol));
  }

  private void finishFrom(int peer) {
    if (peer >= 0) {
      actor.peer = peer;
      actor.phase = Phase.AWAIT_FINISHED;
      return;
    }
    world.oracle.completeReceive(me.index, window, call().id);
    actor.phase = call().owned ? Phase.COPY_OUT : Phase.LEASE_RESULT;
  }

  private void copyOut() {
    checkRows(call(), window, round);
    world.oracle.endResult(me.index, window, call().id);
    if (round + 1 < protocol.rounds(me.handle(call()))) {
      round++;
      awaitEntriesBefore();
    } else {
      actor.phase = Phase.LEASE_RESULT;
    }
  }

  /// Reads the rows of a round and checks that each is the one that its source placed for it.
  void checkRows(Call call, int from, int ofRound) {
    HandleData handle = me.handle(call);
    long capacity = world.scenario.capacityRows;
    long first = ofRound * capacity;
    long end = Math.min(handle.numRecvRows(), first + capacity);
    for (long at = first; at < end; at++) {
      int source = 0;
      while (handle.prefix(source, me.index) <= at) {
        source++;
      }
      long position = at - handle.base(source, me.index);
      long seen = me.page.receive[from][Math.toIntExact(at - first)];
      long epoch = call.owned ? protocol.epoch() : protocol.receive().epoch(from);
      check(seen == Page.tag(epoch, source, position), "received row is not the one placed");
    }
  }

  private void leaseResult() {
    if (call().owned) {
      protocol.receive().free(window);
    } else {
      protocol.receive().hand(window, WindowSet.Holder.LEASE, protocol.epoch());
    }
    actor.end(Outcome.OK);
  }

  private void pull() {
    HandleData handle = me.handle(call());
    int there = handle.plan.rank(row);
    Entry entry = protocol.entry(there);
    long purpose = world.oracle.pull(me.index, there, entry.window, protocol.epoch());
    long globalRow = rowThere(handle);
    int at = Math.toIntExact(globalRow - (long) round * entry.capacityRows);
    long seen = world.pages[there].output[entry.window][at];
    check(seen == Page.tag(purpose, there, globalRow), "pulled row is not the one published");
    row++;
    skipElsewhere(Phase.LEAVE_OUTPUT);
  }

  private void leaveOutput() {
    world.rules.publishOutput(protocol, window);
    actor.phase = Phase.PUBLISH_PULLED;
  }

  private void publishPulled() {
    me.page.pulled = protocol.epoch();
    world.oracle.pulled(me.index, protocol.epoch());
    if (round + 1 < protocol.rounds(me.handle(call()))) {
      round++;
      window = -1;
      entered = false;
      actor.peer = 0;
      actor.phase = Phase.OBSERVE_PULLED;
    } else {
      actor.end(Outcome.OK);
    }
  }

  void startFill() {
    Op.Fill fill = (Op.Fill) actor.op();
    row = 0;
    if (me.isLent(fill.buffer())) {
      me.purposes[fill.buffer()] = world.scenario.calls.size() + ++me.lastPurpose;
      actor.phase = Phase.FILL;
      endFill(fill);
    } else {
      actor.end(Outcome.OK);
    }
  }

  private void fill() {
    Op.Fill fill = (Op.Fill) actor.op();
    int lent = me.lentWindows[fill.buffer()];
    world.oracle.stage(me.index, lent);
    me.page.output[lent][row] = Page.tag(me.purposes[fill.buffer()], me.index, row);
    row++;
    endFill(fill);
  }

  private void endFill(Op.Fill fill) {
    if (row >= me.handle(fill.dispatch()).numRecvRows()) {
      actor.end(Outcome.OK);
    }
  }

  /// Where the engine takes a window back when entering fails; rows that were let in stay.
  void withdraw() {
    boolean inCall = actor.call() != null && window >= 0 && !entered;
    if (inCall && (call().isCombine() || round == 0)) {
      world.rules.withdraw(protocol, windows(), window);
    }
  }
}
