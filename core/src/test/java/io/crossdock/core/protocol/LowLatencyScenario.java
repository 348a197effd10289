package io.crossdock.core.protocol;

import java.util.ArrayList;
import java.util.List;

/// What the ranks do in low-latency mode: a script for each. Asynchronous calls are the same steps
/// on another thread, so one script is enough.
final class LowLatencyScenario implements Fixed {
  static final int NOBODY = -1;
  static final int ANYBODY = -2;

  final String name;
  final int numRanks;
  final List<LowLatencyCall> calls = new ArrayList<>();
  final List<List<LowLatencyOp>> scripts = new ArrayList<>();

  /// Who may be given up, if a call or handshake allows it.
  int silent = NOBODY;

  /// Who may stop for ever, at any step.
  int mortal = NOBODY;

  /// Time passes only for ranks that wait for a dead one: nobody else is late.
  boolean isPrompt;

  /// All ranks make the same call at the same epoch.
  boolean isInStep = true;

  LowLatencyScenario(String name, int numRanks) {
    this.name = name;
    this.numRanks = numRanks;
    for (int rank = 0; rank < numRanks; rank++) {
      scripts.add(new ArrayList<>());
    }
  }

  LowLatencyScenario silent(int rank) {
    silent = rank;
    return this;
  }

  LowLatencyScenario mortal(int rank) {
    mortal = rank;
    return this;
  }

  LowLatencyScenario prompt() {
    isPrompt = true;
    return this;
  }

  /// A rank that comes late may take another call for this one.
  LowLatencyScenario mayLoseStep() {
    isInStep = false;
    return this;
  }

  LowLatencyCall call(LowLatencyKind kind, int[][] rows) {
    LowLatencyCall call = new LowLatencyCall(calls.size(), kind, rows);
    calls.add(call);
    return call;
  }

  /// A dispatch of one row from each rank to each.
  LowLatencyCall dispatch() {
    return call(LowLatencyKind.DISPATCH, toAll(1));
  }

  LowLatencyCall combine() {
    return call(LowLatencyKind.COMBINE, toAll(1));
  }

  LowLatencyCall clean() {
    return call(LowLatencyKind.CLEAN, toAll(0));
  }

  private int[][] toAll(int count) {
    int[][] rows = new int[numRanks][numRanks];
    for (int source = 0; source < numRanks; source++) {
      for (int receiver = 0; receiver < numRanks; receiver++) {
        rows[source][receiver] = source == receiver ? 0 : count;
      }
    }
    return rows;
  }

  LowLatencyScenario rank(int rank, LowLatencyOp... ops) {
    scripts.get(rank).addAll(List.of(ops));
    return this;
  }

  LowLatencyScenario all(LowLatencyOp... ops) {
    for (int rank = 0; rank < numRanks; rank++) {
      rank(rank, ops);
    }
    return this;
  }

  /// A rank makes calls one after the other, without hooks.
  LowLatencyScenario make(int rank, LowLatencyCall... made) {
    for (LowLatencyCall call : made) {
      rank(rank, new LowLatencyOp.Send(call), new LowLatencyOp.Receive(call));
    }
    return this;
  }

  LowLatencyScenario allMake(LowLatencyCall... made) {
    for (int rank = 0; rank < numRanks; rank++) {
      make(rank, made);
    }
    return this;
  }

  int maxRows() {
    int most = 1;
    for (LowLatencyCall call : calls) {
      for (int[] ofSource : call.rows) {
        for (int count : ofSource) {
          most = Math.max(most, count);
        }
      }
    }
    return most;
  }

  @Override
  public String toString() {
    return name;
  }
}
