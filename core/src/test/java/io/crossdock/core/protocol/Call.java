package io.crossdock.core.protocol;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.List;

/// A collective call of a scenario: the same on all ranks but for what is said otherwise.
final class Call implements Fixed {
  enum Kind {
    FRESH,
    CACHED,
    COMBINE
  }

  final int id;
  final Kind kind;

  /// The dispatch whose handle it goes along; itself if fresh.
  final Call origin;

  /// Destinations of each token of each source.
  final int[][][] routes;

  /// Rows are copied out of the receive window.
  boolean owned;

  final boolean[] invalid = new boolean[Scenario.NUM_RANKS];
  final boolean[] late = new boolean[Scenario.NUM_RANKS];
  final boolean[] mayGiveUp = new boolean[Scenario.NUM_RANKS];
  final boolean[] mayBreak = new boolean[Scenario.NUM_RANKS];
  final int[] buffers = new int[Scenario.NUM_RANKS];
  private final List<EnumSet<Outcome>> allowed = new ArrayList<>();

  Call(int id, Kind kind, Call origin, int[][][] routes) {
    this.id = id;
    this.kind = kind;
    this.origin = origin == null ? this : origin;
    this.routes = routes;
    Arrays.fill(buffers, -1);
    for (int rank = 0; rank < Scenario.NUM_RANKS; rank++) {
      allowed.add(EnumSet.of(Outcome.OK));
    }
  }

  boolean isCombine() {
    return kind == Kind.COMBINE;
  }

  Call owned() {
    owned = true;
    return this;
  }

  /// The outputs lie in a handed-out buffer on a rank.
  Call from(int rank, int buffer) {
    buffers[rank] = buffer;
    return this;
  }

  /// The outputs lie in a handed-out buffer on all ranks.
  Call from(int buffer) {
    Arrays.fill(buffers, buffer);
    return this;
  }

  /// A rank finds its arguments bad before anything is reserved.
  Call invalidOn(int rank) {
    invalid[rank] = true;
    return refusedBy(rank, Outcome.INVALID);
  }

  /// A rank finds out only when its window is reserved: a dispatch, that an expert id is bad; a
  /// combine, that an event before it failed.
  Call invalidLateOn(int rank) {
    late[rank] = true;
    return refusedBy(rank, Outcome.INVALID);
  }

  /// A rank is expected to refuse, for the given reason.
  Call refusedBy(int rank, Outcome reason) {
    for (int peer = 0; peer < Scenario.NUM_RANKS; peer++) {
      expect(peer, peer == rank ? reason : Outcome.REFUSED);
    }
    return this;
  }

  /// Ranks may give up at any wait of this call.
  Call givenUpBy(int... ranks) {
    for (int rank : ranks) {
      mayGiveUp[rank] = true;
      allowed.get(rank).add(Outcome.TIMED_OUT);
    }
    return orAborted();
  }

  /// A rank's call may break down between any two rows.
  Call brokenBy(int rank) {
    mayBreak[rank] = true;
    allowed.get(rank).add(Outcome.BROKEN);
    return orAborted();
  }

  /// The call may also end like one that a rank gives up in its course, or before.
  Call orAborted() {
    for (EnumSet<Outcome> outcomes : allowed) {
      outcomes.add(Outcome.ABORTED);
      outcomes.add(Outcome.CLOSED);
    }
    return this;
  }

  /// Sets how the call may end on any rank.
  Call mayEnd(Outcome first, Outcome... others) {
    for (int rank = 0; rank < Scenario.NUM_RANKS; rank++) {
      expect(rank, first, others);
    }
    return this;
  }

  /// Sets how the call may end on a rank.
  Call expect(int rank, Outcome first, Outcome... others) {
    allowed.set(rank, EnumSet.of(first, others));
    return this;
  }

  boolean allows(int rank, Outcome outcome) {
    return allowed.get(rank).contains(outcome);
  }

  boolean mayFail() {
    for (int rank = 0; rank < Scenario.NUM_RANKS; rank++) {
      if (mayGiveUp[rank] || mayBreak[rank]) {
        return true;
      }
    }
    return false;
  }

  @Override
  public String toString() {
    return kind + "#" + id;
  }
}
