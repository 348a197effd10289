package io.crossdock.core.protocol;

import java.util.Arrays;

/// A call of low-latency mode in a script: what each rank sends to each, and how it may end.
final class LowLatencyCall implements Fixed {
  final int id;
  final LowLatencyKind kind;

  /// Rows by source and receiver.
  final int[][] rows;

  /// The row format by rank: ranks must agree.
  final int[] formats;

  /// Ranks whose arguments are bad.
  final boolean[] refusers;

  /// True if ranks that wait may give up.
  boolean mayTimeOut;

  /// True if no rank may be masked when it ends.
  boolean isFull;

  LowLatencyCall(int id, LowLatencyKind kind, int[][] rows) {
    this.id = id;
    this.kind = kind;
    this.rows = rows;
    this.formats = new int[rows.length];
    this.refusers = new boolean[rows.length];
  }

  LowLatencyCall refusedBy(int rank) {
    refusers[rank] = true;
    return this;
  }

  LowLatencyCall differsOn(int rank) {
    formats[rank] = 1;
    return this;
  }

  LowLatencyCall mayTimeOut() {
    mayTimeOut = true;
    return this;
  }

  LowLatencyCall full() {
    isFull = true;
    return this;
  }

  boolean isRefused() {
    for (boolean refuser : refusers) {
      if (refuser) {
        return true;
      }
    }
    return false;
  }

  boolean isMixed() {
    return Arrays.stream(formats).distinct().count() > 1;
  }

  /// {@return what a word of a row holds}
  long word(int source, int receiver, int row, int word) {
    long place = ((long) id * rows.length + source) * rows.length + receiver;
    return (place * 8 + row) * LowLatencyPage.WORDS + word + 1;
  }

  @Override
  public String toString() {
    return kind + "#" + id;
  }
}
