package io.crossdock.core.protocol;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;

/// Writes long scripts that mix everything, and knows how each call must end.
///
/// A rank's windows are followed through the script, so that a call that finds none is expected to
/// be refused. Time-outs and broken calls are followed by a reset, after which nothing of before is
/// used, though it may still be closed.
final class RandomScenarios {
  private static final int NUM_RANKS = Scenario.NUM_RANKS;

  /// A rank that gives up is at most two calls ahead of the others.
  private static final int MAX_LEAD = 3;

  private final Random random;
  private final Scenario scenario;

  /// Dispatches since the last reset whose handles may be used.
  private final List<Call> handles = new ArrayList<>();

  private final List<Call> recent = new ArrayList<>();

  /// Results not closed yet, by rank.
  private final List<List<Call>> leases = new ArrayList<>();

  /// Results from before the last reset, not closed yet, by rank.
  private final List<List<Call>> stale = new ArrayList<>();

  /// The buffer that a rank filled and did not combine yet, or -1.
  private final int[] filled = new int[NUM_RANKS];

  private final Call[] filledFor = new Call[NUM_RANKS];

  private RandomScenarios(long seed) {
    random = new Random(seed);
    scenario =
        new Scenario(
            "seed=" + seed, 1 + random.nextInt(3), 1 + random.nextInt(2), 1 + random.nextInt(4));
    Arrays.fill(filled, -1);
    for (int rank = 0; rank < NUM_RANKS; rank++) {
      leases.add(new ArrayList<>());
      stale.add(new ArrayList<>());
    }
  }

  static Scenario of(long seed, int numCalls) {
    RandomScenarios writer = new RandomScenarios(seed);
    for (int i = 0; i < numCalls; i++) {
      writer.closeSome();
      writer.addCall();
    }
    switch (writer.random.nextInt(3)) {
      case 0 -> writer.scenario.all(new Op.Leave());
      case 1 -> writer.leaveOne();
      default -> {}
    }
    return writer.scenario;
  }

  /// One rank leaves, and the others find out.
  private void leaveOne() {
    int leaver = random.nextInt(NUM_RANKS);
    Call last = scenario.fresh(routes());
    last.mayEnd(Outcome.PEER_LEFT, Outcome.ABORTED, Outcome.CLOSED, Outcome.LEASE);
    recent.reversed().stream().limit(MAX_LEAD).forEach(Call::orAborted);
    scenario.rank(leaver, new Op.Leave());
    IntStream.range(0, NUM_RANKS)
        .filter(rank -> rank != leaver)
        .forEach(rank -> scenario.rank(rank, new Op.Make(last)));
  }

  private boolean oneIn(int bound) {
    return random.nextInt(bound) == 0;
  }

  private void closeSome() {
    for (int rank = 0; rank < NUM_RANKS; rank++) {
      for (List<Call> open : List.of(leases.get(rank), stale.get(rank))) {
        if (!open.isEmpty() && oneIn(2)) {
          Call call = open.remove(random.nextInt(open.size()));
          scenario.rank(rank, new Op.Read(call), new Op.Close(call));
        }
      }
      if (filled[rank] >= 0 && oneIn(4)) {
        closeFilled(rank);
      }
    }
  }

  private void closeFilled(int rank) {
    scenario.rank(rank, new Op.CloseLent(filled[rank]));
    filled[rank] = -1;
  }

  private void addCall() {
    Call call = handles.isEmpty() || oneIn(3) ? scenario.fresh(routes()) : alongHandle();
    if (call.isCombine()) {
      IntStream.range(0, NUM_RANKS).forEach(rank -> fillSome(call, rank));
    } else {
      call.owned = fits(call) ? oneIn(3) : !oneIn(4);
    }
    boolean fine = expect(call);
    recent.add(call);
    if (oneIn(8)) {
      giveUp(call);
    }
    IntStream.range(0, NUM_RANKS).forEach(rank -> make(call, rank, fine));
    if (call.mayFail()) {
      reset(call);
    } else if (fine && call.kind == Call.Kind.FRESH) {
      handles.add(call);
    }
  }

  private Call alongHandle() {
    Call dispatch = handles.get(random.nextInt(handles.size()));
    return oneIn(3) ? scenario.cached(dispatch) : scenario.combine(dispatch);
  }

  private int[][][] routes() {
    int[][][] routes = new int[NUM_RANKS][][];
    for (int source = 0; source < NUM_RANKS; source++) {
      routes[source] = new int[random.nextInt(3)][];
      Arrays.setAll(routes[source], token -> randomRanks());
    }
    return routes;
  }

  private int[] randomRanks() {
    int chosen = random.nextInt(1 << NUM_RANKS);
    return IntStream.range(0, NUM_RANKS).filter(rank -> (chosen & 1 << rank) != 0).toArray();
  }

  private static long numRows(Call call, int destination) {
    return Arrays.stream(call.routes)
        .flatMap(Arrays::stream)
        .flatMapToInt(Arrays::stream)
        .filter(rank -> rank == destination)
        .count();
  }

  private boolean fits(Call call, int rank) {
    return numRows(call, rank) <= scenario.capacityRows;
  }

  private boolean fits(Call call) {
    return IntStream.range(0, NUM_RANKS).allMatch(rank -> fits(call, rank));
  }

  /// Has a rank's outputs lie in a buffer, perhaps one that was filled before.
  private void fillSome(Call call, int rank) {
    if (filled[rank] < 0 && fits(call, rank) && oneIn(2)) {
      filled[rank] = scenario.numBuffers;
      filledFor[rank] = call.origin;
      scenario.rank(rank, new Op.Lend(filled[rank], call.origin));
      scenario.rank(rank, new Op.Fill(filled[rank], call.origin));
    }
    if (filled[rank] >= 0 && filledFor[rank] == call.origin && !oneIn(4)) {
      call.from(rank, filled[rank]);
    }
  }

  /// Sets how the call must end.
  ///
  /// @return true if well
  private boolean expect(Call call) {
    if (oneIn(6)) {
      boolean[] bad = oneIn(2) ? call.invalid : call.late;
      bad[random.nextInt(NUM_RANKS)] = true;
    }
    Outcome[] reasons = new Outcome[NUM_RANKS];
    Arrays.setAll(reasons, rank -> reason(call, rank));
    boolean refused = Arrays.stream(reasons).anyMatch(reason -> reason != Outcome.OK);
    boolean over = !call.isCombine() && !call.owned && !fits(call);
    for (int rank = 0; rank < NUM_RANKS; rank++) {
      Outcome other = over ? Outcome.CAPACITY : Outcome.OK;
      Outcome mine = reasons[rank] == Outcome.OK ? Outcome.REFUSED : reasons[rank];
      call.expect(rank, refused ? mine : other);
    }
    return !refused && !over;
  }

  /// {@return why a rank refuses a call, or OK}
  private Outcome reason(Call call, int rank) {
    boolean starved =
        call.isCombine()
            ? call.buffers[rank] < 0 && filled[rank] >= 0 && scenario.outputWindows == 1
            : leases.get(rank).size() == scenario.receiveWindows;
    boolean lateFirst = call.isCombine() && call.late[rank];
    if (call.invalid[rank] || lateFirst) {
      return Outcome.INVALID;
    }
    if (starved) {
      return Outcome.LEASE;
    }
    return call.late[rank] ? Outcome.INVALID : Outcome.OK;
  }

  private void giveUp(Call call) {
    if (oneIn(3)) {
      call.brokenBy(random.nextInt(NUM_RANKS));
    } else {
      call.givenUpBy(randomRanks());
      call.givenUpBy(random.nextInt(NUM_RANKS));
    }
    recent.reversed().stream().limit(MAX_LEAD).forEach(Call::orAborted);
  }

  /// Makes a call on a rank, perhaps asynchronously. What it holds while it runs would make the end
  /// of the next call a matter of chance; then its end is awaited.
  private void make(Call call, int rank, boolean fine) {
    if (oneIn(2)) {
      scenario.rank(rank, new Op.Make(call));
    } else {
      scenario.rank(rank, new Op.Submit(call));
      if (!fine || call.owned || call.mayFail()) {
        scenario.rank(rank, new Op.Read(call));
      }
    }
    if (fine && !call.isCombine() && !call.owned) {
      leases.get(rank).add(call);
    }
    if (fine && call.buffers[rank] >= 0) {
      if (oneIn(2)) {
        closeFilled(rank);
      }
      filled[rank] = -1;
    }
  }

  /// Before the reset, a rank whose combine was given up writes to its buffer again, if it may.
  private void reset(Call call) {
    for (int rank = 0; rank < NUM_RANKS; rank++) {
      if (call.buffers[rank] >= 0) {
        scenario.rank(rank, new Op.Fill(call.buffers[rank], call.origin));
      }
    }
    scenario.all(new Op.Reset());
    handles.clear();
    recent.clear();
    for (int rank = 0; rank < NUM_RANKS; rank++) {
      stale.get(rank).addAll(leases.get(rank));
      leases.get(rank).clear();
      if (filled[rank] >= 0) {
        closeFilled(rank);
      }
    }
  }
}
