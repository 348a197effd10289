package io.crossdock.core.protocol;

import java.util.Arrays;

/// One rank of the model: its protocol state, and what its caller holds.
final class Rank {
  final int index;
  final Page page;
  final ProtocolState protocol;

  /// By call.
  final Outcome[] outcomes;

  final HandleData[] handles;
  final int[] windows;
  final long[] tickets;

  /// By expert-output buffer of the caller.
  final int[] lentWindows;

  final long[] lentTickets;
  final long[] purposes;

  final PeerState[] heard = new PeerState[Scenario.NUM_RANKS];
  long lastPurpose;
  int numPending;
  int numResets;

  /// Where the last reset started.
  long start;

  Rank(int index, Scenario scenario, Page page) {
    this.index = index;
    this.page = page;
    Entry[] entries = new Entry[Scenario.NUM_RANKS];
    Arrays.setAll(entries, peer -> Page.newEntry());
    protocol =
        new ProtocolState(
            entries, new WindowSet(scenario.receiveWindows), new WindowSet(scenario.outputWindows));
    int numCalls = scenario.calls.size();
    outcomes = new Outcome[numCalls];
    Arrays.fill(outcomes, Outcome.NEW);
    handles = new HandleData[numCalls];
    windows = new int[numCalls];
    Arrays.fill(windows, -1);
    tickets = new long[numCalls];
    lentWindows = new int[scenario.numBuffers];
    Arrays.fill(lentWindows, -1);
    lentTickets = new long[scenario.numBuffers];
    purposes = new long[scenario.numBuffers];
    Arrays.fill(heard, PeerState.RUNNING);
    scenario.calls.stream().filter(call -> call.kind == Call.Kind.FRESH).forEach(this::plan);
  }

  private void plan(Call call) {
    HandleData handle = new HandleData(index, Scenario.NUM_RANKS);
    int[][] tokens = call.routes[index];
    handle.plan.start(tokens.length, Scenario.NUM_RANKS, Scenario.NUM_RANKS);
    for (int[] destinations : tokens) {
      handle.plan.beginToken();
      for (int destination : destinations) {
        handle.plan.add(destination);
      }
    }
    handles[call.id] = handle;
  }

  HandleData handle(Call call) {
    return handles[call.origin.id];
  }

  /// {@return true if a buffer is still the caller's}
  boolean isLent(int buffer) {
    WindowSet output = protocol.output();
    int window = lentWindows[buffer];
    return window >= 0
        && output.holder(window) == WindowSet.Holder.LEASE
        && output.ticket(window) == lentTickets[buffer];
  }
}
