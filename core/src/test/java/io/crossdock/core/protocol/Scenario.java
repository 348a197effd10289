package io.crossdock.core.protocol;

import java.util.ArrayList;
import java.util.List;

/// What three ranks do: a script for the thread of each caller and, for asynchronous calls, of each
/// communication stream.
final class Scenario implements Fixed {
  static final int NUM_RANKS = 3;

  /// Each rank sends one token to the next.
  static final int[][][] RING = {{{1}}, {{2}}, {{0}}};

  /// Each rank sends one token to all.
  static final int[][][] TO_ALL = {{{0, 1, 2}}, {{0, 1, 2}}, {{0, 1, 2}}};

  /// Rank 0 gets a token from each rank, rank 1 one, rank 2 none.
  static final int[][][] SKEWED = {{{0}}, {{0, 1}}, {{0}}};

  /// Nobody sends anything.
  static final int[][][] NOTHING = {{}, {}, {}};

  final String name;
  final int receiveWindows;
  final int outputWindows;
  final int capacityRows;
  final List<Call> calls = new ArrayList<>();
  final List<List<Op>> callers = new ArrayList<>();
  final List<List<Op>> streams = new ArrayList<>();
  int numBuffers;

  Scenario(String name, int receiveWindows, int outputWindows, int capacityRows) {
    this.name = name;
    this.receiveWindows = receiveWindows;
    this.outputWindows = outputWindows;
    this.capacityRows = capacityRows;
    for (int rank = 0; rank < NUM_RANKS; rank++) {
      callers.add(new ArrayList<>());
      streams.add(new ArrayList<>());
    }
  }

  Call fresh(int[][][] routes) {
    return add(new Call(calls.size(), Call.Kind.FRESH, null, routes));
  }

  Call cached(Call dispatch) {
    return add(new Call(calls.size(), Call.Kind.CACHED, dispatch, dispatch.routes));
  }

  Call combine(Call dispatch) {
    return add(new Call(calls.size(), Call.Kind.COMBINE, dispatch, dispatch.routes));
  }

  private Call add(Call call) {
    calls.add(call);
    return call;
  }

  /// Every rank goes on with these.
  Scenario all(Op... ops) {
    for (int rank = 0; rank < NUM_RANKS; rank++) {
      rank(rank, ops);
    }
    return this;
  }

  /// One rank goes on with these.
  Scenario rank(int rank, Op... ops) {
    for (Op op : ops) {
      callers.get(rank).add(op);
      if (op instanceof Op.Submit submit) {
        streams.get(rank).add(new Op.Run(submit.call()));
      }
      if (op instanceof Op.Lend lend) {
        numBuffers = Math.max(numBuffers, lend.buffer() + 1);
      }
    }
    return this;
  }

  /// {@return true if a rank may abort or leave, so that what ranks say of themselves changes}
  boolean mayFail() {
    return calls.stream().anyMatch(Call::mayFail)
        || callers.stream().flatMap(List::stream).anyMatch(op -> op instanceof Op.Leave);
  }

  @Override
  public String toString() {
    return name;
  }
}
