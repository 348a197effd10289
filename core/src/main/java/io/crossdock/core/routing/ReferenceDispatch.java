package io.crossdock.core.routing;

import java.lang.foreign.MemorySegment;

/// What one rank must receive. With `numWorstTokens` the arrays have that many rows; behind the
/// rows that arrive, ids are -1, weights 0 and the bytes of rows and scales mean nothing.
///
/// Safe for any thread while nobody changes the arrays.
///
/// @param numRecvTokens rows that arrive
/// @param recvRows [n, rowBytes]
/// @param recvScales [n, scaleBytes], empty without
/// @param recvTopkIdx [n, K] local ids, -1 where that choice lives elsewhere
/// @param recvTopkWeights [n, K], 0 where the id is -1
/// @param sourceRank `[n]`
/// @param sourceTokenIdx `[n]`
/// @param tokensPerLocalExpert `[E/R]` rounded up to the alignment; empty with `numWorstTokens`
public record ReferenceDispatch(
    int numRecvTokens,
    MemorySegment recvRows,
    MemorySegment recvScales,
    long[] recvTopkIdx,
    float[] recvTopkWeights,
    int[] sourceRank,
    int[] sourceTokenIdx,
    int[] tokensPerLocalExpert) {}
