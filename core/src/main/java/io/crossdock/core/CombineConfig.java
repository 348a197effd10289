package io.crossdock.core;

/// How combine uses the machine. Works for any number of ranks.
///
/// Safe for any thread.
///
/// @param numSms GPU: streaming multiprocessors; host: worker threads, >= 1; 0 lets the engine
///   choose, as for [DispatchConfig]
/// @param stages host: source rows summed in one pass, 1 to 4; of no effect on a GPU
/// @param chunkRows host: token rows a worker takes at a time; a GPU hands them out one by one
/// @param networkChunkRows rows that cross the network between nodes at a time; those that arrived
///   are summed while later ones are on their way
public record CombineConfig(int numSms, int stages, int chunkRows, int networkChunkRows) {
  /// Rows that cross the network at a time unless a config says otherwise: about a hundred
  /// kilobytes of usual rows.
  public static final int NETWORK_CHUNK_ROWS = 8;

  /// Checks ranges.
  public CombineConfig {
    if (numSms < 0 || stages < 1 || chunkRows < 1 || stages > 64 || networkChunkRows < 1) {
      throw new InvalidInputException(
          "combine config is invalid: numSms="
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
  public CombineConfig(int numSms, int stages, int chunkRows) {
    this(numSms, stages, chunkRows, NETWORK_CHUNK_ROWS);
  }

  /// The recommended values for a group of any size.
  ///
  /// Chunks are large enough to amortise the hand-out of work and small enough to keep many workers
  /// busy to the end.
  ///
  /// @param numRanks R
  /// @return the config; numSms is 0, the engine's choice
  public static CombineConfig recommended(int numRanks) {
    return new CombineConfig(0, 4, numRanks <= 8 ? 32 : 16);
  }

  /// {@return this config with another number of workers}
  ///
  /// @param sms see [#numSms()]
  public CombineConfig withNumSms(int sms) {
    return new CombineConfig(sms, stages, chunkRows, networkChunkRows);
  }

  /// {@return this config with other pieces on the network}
  ///
  /// @param rows see [#networkChunkRows()]
  public CombineConfig withNetworkChunkRows(int rows) {
    return new CombineConfig(numSms, stages, chunkRows, rows);
  }
}
