package io.crossdock.core;

/// How dispatch uses the machine. Works for any number of ranks.
///
/// Safe for any thread.
///
/// @param numSms GPU: streaming multiprocessors; host: worker threads, >= 1; 0 lets the engine
///   choose. A GPU engine takes the fewest that reach the rate of what is slower, the GPU's own
///   memory or the link to other GPUs, both measured when the first buffer is opened and shared by
///   the ranks of a GPU; 20 where that cannot be measured, never more than the rank's share
/// @param stages GPU: pieces in flight of each warp that moves rows, if that many fit, 1 lets the
///   engine choose; host: pieces a row is cut into, so that a piece stays in cache while it is
///   stored to every destination
/// @param chunkRows host: token rows a worker takes at a time; a GPU hands them out one by one
/// @param networkChunkRows rows that cross the network between nodes at a time; those that arrived
///   are forwarded while later ones are on their way
public record DispatchConfig(int numSms, int stages, int chunkRows, int networkChunkRows) {
  /// Rows that cross the network at a time unless a config says otherwise: about a hundred
  /// kilobytes of usual rows.
  public static final int NETWORK_CHUNK_ROWS = 8;

  /// Checks ranges.
  public DispatchConfig {
    if (numSms < 0 || stages < 1 || chunkRows < 1 || stages > 64 || networkChunkRows < 1) {
      throw new InvalidInputException(
          "dispatch config is invalid: numSms="
              + numSms
              + ", stages="
              + stages
              + ", chunkRows="
              + chunkRows
              + ", networkChunkRows="
              + networkChunkRows);
    }
  }

  /// A config with the usual pieces on the network.
  ///
  /// @param numSms see [#numSms()]
  /// @param stages see [#stages()]
  /// @param chunkRows see [#chunkRows()]
  public DispatchConfig(int numSms, int stages, int chunkRows) {
    this(numSms, stages, chunkRows, NETWORK_CHUNK_ROWS);
  }

  /// The recommended values for a group of any size.
  ///
  /// Chunks are large enough to amortise the hand-out of work and small enough to keep many workers
  /// busy to the end.
  ///
  /// @param numRanks R
  /// @return the config; numSms is 0, the engine's choice
  public static DispatchConfig recommended(int numRanks) {
    return new DispatchConfig(0, 1, numRanks <= 8 ? 32 : 16);
  }

  /// {@return this config with another number of workers}
  ///
  /// @param sms see [#numSms()]
  public DispatchConfig withNumSms(int sms) {
    return new DispatchConfig(sms, stages, chunkRows, networkChunkRows);
  }

  /// {@return this config with other pieces on the network}
  ///
  /// @param rows see [#networkChunkRows()]
  public DispatchConfig withNetworkChunkRows(int rows) {
    return new DispatchConfig(numSms, stages, chunkRows, rows);
  }
}
