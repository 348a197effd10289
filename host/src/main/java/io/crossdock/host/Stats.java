package io.crossdock.host;

import io.crossdock.core.CallStats;

/// Counts what a call does; reused.
///
/// Confined to the thread that runs the call.
final class Stats {
  int numWorkers;
  long numChunks;
  int numPasses;
  int numRounds;
  long bytesRead;
  long bytesWritten;
  long wireBytes;
  long networkBytes;

  void start(int workers, int passes, int rounds) {
    numWorkers = workers;
    numChunks = 0;
    numPasses = passes;
    numRounds = rounds;
    bytesRead = 0;
    bytesWritten = 0;
    wireBytes = 0;
    networkBytes = 0;
  }

  CallStats snapshot() {
    return new CallStats(
        numWorkers,
        numChunks,
        numPasses,
        numRounds,
        bytesRead,
        bytesWritten,
        wireBytes,
        networkBytes);
  }
}
