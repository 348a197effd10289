package io.crossdock.core.protocol;

import io.crossdock.core.protocol.LowLatencyOp.FindNoSlots;
import io.crossdock.core.protocol.LowLatencyOp.Mask;
import io.crossdock.core.protocol.LowLatencyOp.Receive;
import io.crossdock.core.protocol.LowLatencyOp.Return;
import io.crossdock.core.protocol.LowLatencyOp.Send;
import java.util.List;
import java.util.stream.Stream;

/// Low-latency scripts that are short enough for every order of their steps.
final class LowLatencyScenarios {
  private LowLatencyScenarios() {}

  static List<LowLatencyScenario> all() {
    return Stream.of(sound(), refused(), elastic()).flatMap(List::stream).toList();
  }

  private static List<LowLatencyScenario> sound() {
    return List.of(
        calls(),
        threeRanks(),
        threeRanksToOne(),
        oneHook(),
        twoHooks(true),
        twoHooks(false),
        hooksDiffer());
  }

  private static List<LowLatencyScenario> refused() {
    return List.of(refusals(), refusedByBoth(), refusedPastAHook(), refusedOfThree(), mixed());
  }

  private static List<LowLatencyScenario> elastic() {
    return List.of(
        stops(2, 1),
        stops(3, 2),
        stopsBetweenFlags(),
        comesBack(),
        comesBackToThree(),
        abandonsHooks(),
        returnsTwice(),
        lateKnock(),
        returnsTwiceOfThree(),
        isLeftOut(),
        maskedByHand());
  }

  /// Sets are used three times.
  static LowLatencyScenario calls() {
    LowLatencyScenario s = new LowLatencyScenario("dispatch, combine, clean", 2);
    LowLatencyCall skewed = s.call(LowLatencyKind.DISPATCH, new int[][] {{1, 2}, {0, 0}});
    LowLatencyCall back = s.call(LowLatencyKind.COMBINE, new int[][] {{1, 0}, {2, 0}});
    return s.allMake(s.dispatch(), s.combine(), skewed, back, s.clean(), s.dispatch());
  }

  static LowLatencyScenario threeRanks() {
    LowLatencyScenario s = new LowLatencyScenario("three ranks", 3);
    int[][] ring = {{0, 1, 0}, {0, 0, 1}, {1, 0, 0}};
    int[][] none = new int[3][3];
    return s.allMake(
        s.call(LowLatencyKind.DISPATCH, ring),
        s.call(LowLatencyKind.COMBINE, none),
        s.call(LowLatencyKind.DISPATCH, ring));
  }

  /// Two sources write to one receiver at once.
  static LowLatencyScenario threeRanksToOne() {
    LowLatencyScenario s = new LowLatencyScenario("three ranks, all to one", 3);
    int[][] rows = {{0, 0, 0}, {1, 0, 0}, {1, 0, 0}};
    return s.allMake(s.call(LowLatencyKind.DISPATCH, rows));
  }

  static LowLatencyScenario oneHook() {
    LowLatencyScenario s = new LowLatencyScenario("one pending hook", 2);
    for (int i = 0; i < 4; i++) {
      LowLatencyCall call = i % 2 == 0 ? s.dispatch() : s.combine();
      s.all(new Send(call), new Receive(call));
    }
    return s;
  }

  static LowLatencyScenario twoHooks(boolean inOrder) {
    LowLatencyScenario s = new LowLatencyScenario("two pending hooks, in order=" + inOrder, 2);
    LowLatencyCall first = s.dispatch();
    LowLatencyCall second = s.dispatch();
    LowLatencyCall third = s.dispatch();
    s.all(new Send(first), new Send(second), new FindNoSlots());
    if (inOrder) {
      s.all(new Receive(first), new Send(third), new FindNoSlots(), new Receive(second));
    } else {
      s.all(new Receive(second), new FindNoSlots(), new Receive(first), new Send(third));
    }
    return s.all(new Receive(third)).allMake(s.dispatch());
  }

  /// One rank waits late, the other at once.
  static LowLatencyScenario hooksDiffer() {
    LowLatencyScenario s = new LowLatencyScenario("hooks on one rank only", 2);
    LowLatencyCall first = s.dispatch();
    LowLatencyCall second = s.dispatch();
    LowLatencyCall third = s.dispatch();
    s.make(0, first, second, third);
    s.rank(1, new Send(first), new Send(second), new FindNoSlots());
    s.rank(1, new Receive(second), new Receive(first));
    return s.make(1, third).allMake(s.dispatch());
  }

  static LowLatencyScenario refusals() {
    LowLatencyScenario s = new LowLatencyScenario("refusals", 2);
    return s.allMake(
        s.dispatch().refusedBy(0),
        s.dispatch(),
        s.dispatch().refusedBy(0),
        s.dispatch().refusedBy(1),
        s.dispatch());
  }

  static LowLatencyScenario refusedByBoth() {
    LowLatencyScenario s = new LowLatencyScenario("refused by both", 2);
    LowLatencyCall both = s.dispatch().refusedBy(0).refusedBy(1);
    return s.allMake(both, s.dispatch(), s.dispatch().refusedBy(1), s.combine());
  }

  static LowLatencyScenario refusedPastAHook() {
    LowLatencyScenario s = new LowLatencyScenario("refused past a pending hook", 2);
    LowLatencyCall first = s.dispatch();
    LowLatencyCall bad = s.dispatch().refusedBy(1);
    LowLatencyCall late = s.dispatch().refusedBy(0);
    s.all(new Send(first), new Send(bad), new Receive(bad), new Receive(first));
    return s.all(new Send(late), new Receive(late)).allMake(s.dispatch(), s.dispatch());
  }

  static LowLatencyScenario refusedOfThree() {
    LowLatencyScenario s = new LowLatencyScenario("refused, three ranks", 3);
    int[][] one = {{0, 0, 0}, {0, 0, 1}, {0, 0, 0}};
    LowLatencyCall refused = s.call(LowLatencyKind.DISPATCH, one).refusedBy(0);
    return s.allMake(refused, s.call(LowLatencyKind.DISPATCH, one));
  }

  static LowLatencyScenario mixed() {
    LowLatencyScenario s = new LowLatencyScenario("different calls", 2);
    return s.allMake(
        s.dispatch().differsOn(0),
        s.dispatch(),
        s.dispatch().differsOn(1),
        s.dispatch().differsOn(1),
        s.dispatch());
  }

  /// A rank stops at any step, for ever or for a while.
  static LowLatencyScenario stops(int numRanks, int silent) {
    LowLatencyScenario s = new LowLatencyScenario("stops, ranks=" + numRanks, numRanks);
    s.silent(silent).mortal(silent);
    int[][] rows = new int[numRanks][numRanks];
    rows[silent][0] = 2;
    rows[0][silent] = 1;
    s.allMake(s.call(LowLatencyKind.DISPATCH, rows).mayTimeOut());
    if (numRanks == 2) {
      s.allMake(s.combine().mayTimeOut(), s.dispatch().mayTimeOut());
    }
    return s;
  }

  /// One rank has the flag of the one that stopped, another has not: it waits, and is waited for.
  static LowLatencyScenario stopsBetweenFlags() {
    LowLatencyScenario s = new LowLatencyScenario("stops between two flags", 3);
    s.silent(2).mortal(2).prompt();
    return s.allMake(s.clean().mayTimeOut(), s.clean().mayTimeOut());
  }

  static LowLatencyScenario comesBack() {
    LowLatencyScenario s = new LowLatencyScenario("comes back", 2).silent(1);
    s.allMake(s.dispatch().mayTimeOut(), s.dispatch().mayTimeOut());
    s.all(new Return(false));
    return s.allMake(s.dispatch().full(), s.combine().full(), s.dispatch().full());
  }

  static LowLatencyScenario comesBackToThree() {
    LowLatencyScenario s = new LowLatencyScenario("comes back, three ranks", 3).silent(2);
    int[][] rows = {{0, 0, 0}, {0, 0, 0}, {1, 0, 0}};
    s.allMake(s.call(LowLatencyKind.DISPATCH, rows).mayTimeOut());
    s.all(new Return(false));
    return s.allMake(s.call(LowLatencyKind.DISPATCH, rows).full());
  }

  static LowLatencyScenario abandonsHooks() {
    LowLatencyScenario s = new LowLatencyScenario("abandons hooks", 2).silent(0);
    LowLatencyCall first = s.dispatch().mayTimeOut();
    LowLatencyCall second = s.dispatch().mayTimeOut();
    s.all(new Send(first), new Send(second), new Return(false));
    s.all(new Receive(first), new Receive(second));
    return s.allMake(s.dispatch().full(), s.dispatch().full());
  }

  /// A fast rank is in its second handshake while a slow one is in its first.
  static LowLatencyScenario returnsTwice() {
    LowLatencyScenario s = new LowLatencyScenario("returns twice", 2);
    LowLatencyCall pending = s.dispatch();
    s.all(new Send(pending), new Return(false), new Return(false), new Receive(pending));
    return s.allMake(s.dispatch().full()).all(new Return(false)).allMake(s.dispatch().full());
  }

  /// Calls between handshakes, so that a rank which ends one too early is a generation ahead.
  static LowLatencyScenario lateKnock() {
    LowLatencyScenario s = new LowLatencyScenario("returns again and again", 2);
    s.all(new Return(false)).allMake(s.dispatch().full());
    s.all(new Return(false)).allMake(s.dispatch().full());
    return s.all(new Return(false)).allMake(s.dispatch().full());
  }

  static LowLatencyScenario returnsTwiceOfThree() {
    LowLatencyScenario s = new LowLatencyScenario("returns twice, three ranks", 3);
    return s.all(new Return(false), new Return(false));
  }

  /// A rank is late for the handshake, or never comes.
  static LowLatencyScenario isLeftOut() {
    LowLatencyScenario s = new LowLatencyScenario("is left out", 2).mortal(1).mayLoseStep();
    s.silent(LowLatencyScenario.ANYBODY);
    s.allMake(s.dispatch().mayTimeOut());
    s.all(new Return(true));
    s.allMake(s.dispatch().mayTimeOut());
    s.all(new Return(true));
    return s.allMake(s.dispatch().mayTimeOut());
  }

  static LowLatencyScenario maskedByHand() {
    LowLatencyScenario s = new LowLatencyScenario("masked by hand", 2).silent(1);
    LowLatencyCall call = s.dispatch();
    s.rank(0, new Mask(1)).allMake(call, s.dispatch());
    return s.all(new Return(false)).allMake(s.dispatch().full(), s.dispatch().full());
  }
}
