package io.crossdock.core.protocol;

import java.util.List;

/// Low-latency mode with one rule broken at a time, to show that the scheduler finds it out.
final class LowLatencyBrokenRules {
  private static final String WRONG_ROW = "row is not the one sent";
  private static final String WRONG_FLAG = "flag of another epoch taken";
  private static final String DEADLOCK = "deadlock";

  private LowLatencyBrokenRules() {}

  /// A broken rule.
  ///
  /// @param name which one
  /// @param rules the mode without it
  /// @param scenario where that shows
  /// @param complaint what the run ends with
  record Mutant(String name, LowLatencyRules rules, LowLatencyScenario scenario, String complaint) {
    @Override
    public String toString() {
      return name;
    }
  }

  static List<Mutant> all() {
    return List.of(
        new Mutant(
            "rows are sent into slots that were not freed",
            new SendUngranted(),
            LowLatencyScenarios.hooksDiffer(),
            DEADLOCK),
        new Mutant(
            "slots are free before they are read",
            new CompleteEarly(),
            LowLatencyScenarios.hooksDiffer(),
            WRONG_ROW),
        new Mutant("one slot set", new OneSet(), LowLatencyScenarios.hooksDiffer(), WRONG_ROW),
        new Mutant(
            "flags carry no epoch", new UntaggedFlags(), LowLatencyScenarios.calls(), WRONG_FLAG),
        new Mutant(
            "sources share a lane",
            new SharedLane(),
            LowLatencyScenarios.threeRanksToOne(),
            WRONG_ROW),
        new Mutant(
            "a refusal is not published",
            new SilentRefusal(),
            LowLatencyScenarios.refusals(),
            DEADLOCK),
        new Mutant(
            "a masked rank is not told",
            new UntoldMask(),
            LowLatencyScenarios.comesBack(),
            DEADLOCK),
        new Mutant(
            "who waits for a third rank is given up",
            new GiveUpWhoWaits(),
            LowLatencyScenarios.stopsBetweenFlags(),
            "living rank was given up"),
        new Mutant(
            "a knock is used again", new SameKnock(), LowLatencyScenarios.returnsTwice(), DEADLOCK),
        new Mutant(
            "an acknowledgement is good for any knock",
            new AnyAck(),
            LowLatencyScenarios.lateKnock(),
            DEADLOCK),
        new Mutant(
            "the generation is not raised",
            new SameGeneration(),
            LowLatencyScenarios.abandonsHooks(),
            "flag of another call taken"));
  }

  private static final class SendUngranted extends LowLatencyRules {
    @Override
    boolean awaitsGrants() {
      return false;
    }
  }

  private static final class CompleteEarly extends LowLatencyRules {
    @Override
    boolean completesBeforePacking() {
      return true;
    }
  }

  private static final class OneSet extends LowLatencyRules {
    @Override
    long rowSet(long epoch) {
      return 0;
    }
  }

  private static final class UntaggedFlags extends LowLatencyRules {
    @Override
    boolean isFlagOf(long flag, long epoch) {
      return flag != 0;
    }
  }

  private static final class SharedLane extends LowLatencyRules {
    @Override
    int lane(int source) {
      return 0;
    }
  }

  private static final class SilentRefusal extends LowLatencyRules {
    @Override
    boolean publishesRefusals() {
      return false;
    }
  }

  private static final class UntoldMask extends LowLatencyRules {
    @Override
    boolean looksForMasks() {
      return false;
    }
  }

  private static final class GiveUpWhoWaits extends LowLatencyRules {
    @Override
    boolean sparesWhoWaits() {
      return false;
    }
  }

  private static final class SameKnock extends LowLatencyRules {
    @Override
    long knock(long knock) {
      return 1;
    }
  }

  private static final class AnyAck extends LowLatencyRules {
    @Override
    long acknowledged(long knock, long mine) {
      return mine;
    }
  }

  private static final class SameGeneration extends LowLatencyRules {
    @Override
    long raised(long generation) {
      return 0;
    }
  }
}
