package io.crossdock.core.routing;

import java.lang.foreign.MemorySegment;

/// What one rank must get back.
///
/// Safe for any thread while nobody changes the arrays.
///
/// @param combinedX BF16 [tokens, H]
/// @param combinedTopkWeights [tokens, K], empty without weights
public record ReferenceCombine(MemorySegment combinedX, float[] combinedTopkWeights) {}
