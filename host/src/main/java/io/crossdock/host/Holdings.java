package io.crossdock.host;

import java.lang.foreign.Arena;

/// What a session holds and gives back at its end, the networks first. Memory that a network may
/// still read or write, since it could not be closed or did not let go, stays until the process
/// ends.
///
/// Confined to the thread that closes it.
///
/// @param arena memory of all near ranks
/// @param times counters in it
/// @param networks that write to it; null on one node
record Holdings(Arena arena, WaitTimes times, Networks networks) implements AutoCloseable {
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
