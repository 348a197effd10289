package io.crossdock.host;

/// Work that is cut into chunks, which workers take in any order.
///
/// Safe for any thread while it runs.
interface ChunkTask {
  /// Does one chunk.
  ///
  /// @param chunk 0 to the number of chunks - 1
  /// @param worker 0 to the number of workers - 1; 0 is the calling thread
  void run(int chunk, int worker);
}
