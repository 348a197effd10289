package io.crossdock.core.protocol;

import static io.crossdock.core.protocol.Violation.check;

/// A low-latency scenario in flight: the memory of all ranks, and each with what it does next.
final class LowLatencyWorld implements Model {
  private static final int STEP = 0;
  private static final int LOOK = 1;
  private static final int GIVE_UP = 2;
  private static final int FIND_MASKED = 3;
  private static final int DIE = 4;
  private static final String[] NAMES = {"step", "look", "give up", "find masked", "die"};

  final LowLatencyScenario scenario;
  final LowLatencyRules rules;
  final LowLatencyPage[] pages;
  final LowLatencyActor[] ranks;
  private final int numRanks;

  LowLatencyWorld(LowLatencyScenario scenario, LowLatencyRules rules) {
    this.scenario = scenario;
    this.rules = rules;
    this.numRanks = scenario.numRanks;
    this.pages = new LowLatencyPage[numRanks];
    this.ranks = new LowLatencyActor[numRanks];
    for (int rank = 0; rank < numRanks; rank++) {
      pages[rank] = new LowLatencyPage(numRanks, scenario.maxRows());
    }
    for (int rank = 0; rank < numRanks; rank++) {
      ranks[rank] = new LowLatencyActor(this, rank);
    }
  }

  @Override
  public int maxChoices() {
    return numRanks * NAMES.length * numRanks;
  }

  @Override
  public int choices(int[] into) {
    int count = 0;
    for (int choice = 0; choice < maxChoices(); choice++) {
      if (isEnabled(rank(choice), what(choice), choice % numRanks)) {
        into[count++] = choice;
      }
    }
    return count;
  }

  private static boolean isEnabled(LowLatencyActor rank, int what, int peer) {
    if (rank.isDone()) {
      return false;
    }
    return switch (what) {
      case STEP -> peer == 0 && !rank.phase.isWait();
      case LOOK -> rank.phase.isWait() && rank.mayLook(peer);
      case GIVE_UP -> rank.phase.isWait() && rank.mayGiveUp(peer);
      case FIND_MASKED -> peer == 0 && rank.mayFindMasked();
      default -> peer == 0 && rank.mayDie();
    };
  }

  @Override
  public void take(int choice) {
    LowLatencyActor rank = rank(choice);
    int peer = choice % numRanks;
    switch (what(choice)) {
      case STEP -> rank.step();
      case LOOK -> rank.look(peer);
      case GIVE_UP -> rank.giveUp(peer);
      case FIND_MASKED -> rank.fail(LowLatencyOutcome.MASKED);
      default -> rank.die();
    }
    rank.settle();
  }

  private LowLatencyActor rank(int choice) {
    return ranks[choice / numRanks / NAMES.length];
  }

  private int what(int choice) {
    return choice / numRanks % NAMES.length;
  }

  @Override
  public boolean isRare(int choice) {
    return what(choice) == GIVE_UP || what(choice) == DIE;
  }

  @Override
  public void checkEnd() {
    StringBuilder facts = new StringBuilder();
    boolean done = true;
    for (LowLatencyActor rank : ranks) {
      done &= rank.isDone();
      facts.append(facts.isEmpty() ? "" : "; ").append(rank);
    }
    check(done, "deadlock: " + facts);
  }

  @Override
  public String describe(int choice) {
    return NAMES[what(choice)] + " peer=" + choice % numRanks + " " + rank(choice);
  }
}
