package io.crossdock.core.protocol;

import io.crossdock.core.protocol.LowLatencyOp.FindNoSlots;
import io.crossdock.core.protocol.LowLatencyOp.Mask;
import io.crossdock.core.protocol.LowLatencyOp.Receive;
import io.crossdock.core.protocol.LowLatencyOp.Return;
import io.crossdock.core.protocol.LowLatencyOp.Send;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;

/// Writes long low-latency scripts that mix everything. An odd seed gives ranks that give each
/// other up whenever they wait, and perhaps one that stops, so that only what was received counts;
/// with an even one each call must end in one way.
final class LowLatencyRandomScenarios {
  private final Random random;
  private final LowLatencyScenario scenario;
  private final boolean isElastic;

  /// Calls whose hook is pending, by rank.
  private final List<List<LowLatencyCall>> pending = new ArrayList<>();

  private LowLatencyRandomScenarios(long seed) {
    random = new Random(seed);
    isElastic = seed % 2 != 0;
    scenario = new LowLatencyScenario("seed=" + seed, 2 + random.nextInt(3));
    if (isElastic) {
      scenario.silent(LowLatencyScenario.ANYBODY).mayLoseStep();
      scenario.mortal(random.nextInt(2 * scenario.numRanks));
    }
    for (int rank = 0; rank < scenario.numRanks; rank++) {
      pending.add(new ArrayList<>());
    }
  }

  static LowLatencyScenario of(long seed, int numCalls) {
    LowLatencyRandomScenarios writer = new LowLatencyRandomScenarios(seed);
    for (int i = 0; i < numCalls; i++) {
      if (writer.oneIn(writer.isElastic ? 6 : 12)) {
        writer.addReturn();
      }
      writer.addCall();
    }
    writer.runHooks();
    return writer.scenario;
  }

  private boolean oneIn(int bound) {
    return random.nextInt(bound) == 0;
  }

  private void addReturn() {
    if (!isElastic) {
      runHooks();
    } else if (oneIn(4)) {
      int rank = random.nextInt(scenario.numRanks);
      scenario.rank(rank, new Mask((rank + 1) % scenario.numRanks));
    }
    scenario.all(new Return(isElastic));
  }

  private void runHooks() {
    for (int rank = 0; rank < scenario.numRanks; rank++) {
      Collections.shuffle(pending.get(rank), random);
      while (!pending.get(rank).isEmpty()) {
        scenario.rank(rank, new Receive(pending.get(rank).removeLast()));
      }
    }
  }

  private void addCall() {
    LowLatencyKind kind = LowLatencyKind.of(random.nextInt(3));
    int[][] rows = new int[scenario.numRanks][scenario.numRanks];
    for (int[] ofSource : rows) {
      for (int receiver = 0; receiver < rows.length && kind != LowLatencyKind.CLEAN; receiver++) {
        ofSource[receiver] = random.nextInt(3);
      }
    }
    LowLatencyCall call = scenario.call(kind, rows);
    int rank = random.nextInt(scenario.numRanks);
    switch (random.nextInt(8)) {
      case 0 -> call.refusedBy(rank).refusedBy(random.nextInt(scenario.numRanks));
      case 1 -> call.differsOn(rank);
      default -> {}
    }
    call.mayTimeOut = isElastic;
    for (int maker = 0; maker < scenario.numRanks; maker++) {
      make(maker, call);
    }
  }

  /// Runs hooks in any order, so that at most two are pending, and the one whose slots are next is
  /// not.
  private void make(int rank, LowLatencyCall call) {
    List<LowLatencyCall> hooks = pending.get(rank);
    hooks.removeIf(hook -> {
      boolean run = hook.id <= call.id - 2 || oneIn(2);
      if (run) {
        scenario.rank(rank, new Receive(hook));
      }
      return run;
    });
    scenario.rank(rank, new Send(call));
    hooks.add(call);
    Collections.shuffle(hooks, random);
    if (!isElastic && isHeld(hooks, call)) {
      scenario.rank(rank, new FindNoSlots());
    }
  }

  /// {@return true if the slots of the call after this one surely wait for a hook}
  private static boolean isHeld(List<LowLatencyCall> hooks, LowLatencyCall call) {
    return hooks.stream().anyMatch(hook -> hook.id == call.id - 1 && !hook.isRefused());
  }
}
