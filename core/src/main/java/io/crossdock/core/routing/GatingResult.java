package io.crossdock.core.routing;

/// The experts picked for each token, best first, and their weights.
///
/// Safe for any thread while nobody changes the arrays.
///
/// @param topk K
/// @param topkIdx [tokens, K] global expert ids
/// @param topkWeights [tokens, K]
public record GatingResult(int topk, long[] topkIdx, float[] topkWeights) {}
