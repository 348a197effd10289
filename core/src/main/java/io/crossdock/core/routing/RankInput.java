package io.crossdock.core.routing;

import java.lang.foreign.MemorySegment;

/// What one rank dispatches, in the words of the reference.
///
/// Safe for any thread while nobody changes the arrays.
///
/// @param numTokens tokens
/// @param rowBytes bytes of a row
/// @param rows [tokens, rowBytes]
/// @param scaleBytes bytes of the scales of a row, 0 without
/// @param scales [tokens, scaleBytes], or null
/// @param topk K, 0 without choices
/// @param topkIdx [tokens, K] global expert ids, -1 for no route; or null
/// @param topkWeights [tokens, K], or null
/// @param tokenInRank [tokens, R], what a dispatch without choices goes by; or null
public record RankInput(
    int numTokens,
    long rowBytes,
    MemorySegment rows,
    long scaleBytes,
    MemorySegment scales,
    int topk,
    long[] topkIdx,
    float[] topkWeights,
    boolean[] tokenInRank) {

  /// Rows alone.
  ///
  /// @param numTokens tokens
  /// @param rowBytes bytes of a row
  /// @param rows without gaps
  /// @return the input
  public static RankInput of(int numTokens, long rowBytes, MemorySegment rows) {
    return new RankInput(numTokens, rowBytes, rows, 0, null, 0, null, null, null);
  }

  /// {@return this input with choices}
  ///
  /// @param numChoices K
  /// @param ids [tokens, K]
  /// @param weights [tokens, K], or null
  public RankInput withTopk(int numChoices, long[] ids, float[] weights) {
    return new RankInput(
        numTokens, rowBytes, rows, scaleBytes, scales, numChoices, ids, weights, tokenInRank);
  }

  /// {@return this input with scales}
  ///
  /// @param bytes of the scales of a row
  /// @param values without gaps
  public RankInput withScales(long bytes, MemorySegment values) {
    return new RankInput(
        numTokens, rowBytes, rows, bytes, values, topk, topkIdx, topkWeights, tokenInRank);
  }

  /// {@return this input without choices, sent where a matrix says}
  ///
  /// @param inRank [tokens, R]
  public RankInput withTokenInRank(boolean[] inRank) {
    return new RankInput(numTokens, rowBytes, rows, scaleBytes, scales, 0, null, null, inRank);
  }

  /// {@return whether a token goes to a rank}
  ///
  /// @param token index
  /// @param rank destination
  /// @param topology where experts live
  public boolean goesTo(int token, int rank, Topology topology) {
    if (topkIdx == null) {
      return tokenInRank[token * topology.numRanks() + rank];
    }
    for (int k = 0; k < topk; k++) {
      long expert = topkIdx[token * topk + k];
      if (expert >= 0 && topology.rankOf(expert) == rank) {
        return true;
      }
    }
    return false;
  }
}
