package io.crossdock.core;

/// What every rank sends at once to the rank of its rail on each other node, to find out what the
/// network gives: see [NetworkCosts].
///
/// Safe for any thread.
///
/// @param rows to each node, at least 1; more than the buffer's tokens are put over earlier ones
/// @param rowBytes of each, no more than the buffer's rows
/// @param chunkRows rows of one put, at least 1; a signal follows the last put alone
/// @param rounds how often, at least 1
public record NetworkLoad(int rows, long rowBytes, int chunkRows, int rounds) {

  /// Checks ranges.
  public NetworkLoad {
    if (rows < 1 || rowBytes < 8 || chunkRows < 1 || rounds < 1) {
      throw new InvalidInputException(
          "network load is invalid: rows="
              + rows
              + ", rowBytes="
              + rowBytes
              + ", chunkRows="
              + chunkRows
              + ", rounds="
              + rounds);
    }
  }
}
