package io.crossdock.host;

import java.lang.foreign.Arena;

/// What a session holds and gives back at its end, the networks first. Memory that a network may
/// still read or write, since it could not be closed or did not let go, stays until the process
/// ends.
///
/// Confined to the thread that opens or closes the session.
final class Holdings implements AutoCloseable {
  private final Arena arena = Arena.ofShared();
  private final WaitTimes times;
  private Networks networks;

  Holdings(int numRanks) {
    times = new WaitTimes(numRanks);
  }

  /// {@return memory of all near ranks, and what this rank has of its own}
  Arena arena() {
    return arena;
  }

  /// {@return counters, in a file of theirs}
  WaitTimes times() {
    return times;
  }

  /// {@return what reads and writes that memory; null on one node}
  Networks networks() {
    return networks;
  }

  /// Takes over networks, before they are opened.
  void hold(Networks overNodes) {
    networks = overNodes;
  }

  @Override
  public void close() {
    boolean isQuiet = false;
    try (times) {
      if (networks != null) {
        networks.close();
      }
      isQuiet = true;
    } finally {
      if (isQuiet) {
        arena.close();
      }
    }
  }
}
