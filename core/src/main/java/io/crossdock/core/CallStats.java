package io.crossdock.core;

/// What the last call of a buffer did on this rank. Shows what a config changed.
///
/// Safe for any thread.
///
/// @param numWorkers threads that moved or summed rows
/// @param numChunks pieces of work handed out
/// @param numPasses dispatch: pieces a row was cut into; combine: most source rows summed in one
///   pass
/// @param numRounds rounds the call took; 1 unless the windows were too small
/// @param bytesRead bytes of rows read
/// @param bytesWritten bytes of rows written, local ones too
/// @param wireBytes bytes of rows that left this rank for another one of its node
/// @param networkBytes bytes that left for other nodes: rows and what goes along with them
public record CallStats(
    int numWorkers,
    long numChunks,
    int numPasses,
    int numRounds,
    long bytesRead,
    long bytesWritten,
    long wireBytes,
    long networkBytes) {

  /// Nothing was called yet.
  public static final CallStats NONE = new CallStats(0, 0, 0, 0, 0, 0, 0, 0);
}
