package io.crossdock.core;

import java.util.Optional;

/// What combine brought home.
///
/// Safe for any thread once the event is complete.
///
/// @param combinedX BF16 [tokens, H]
/// @param combinedTopkWeights F32 [tokens, K], the sum over ranks; empty when no weights were given
/// @param event complete when the tensors are
public record CombineResult(
    Tensor combinedX, Optional<Tensor> combinedTopkWeights, EventOverlap event) {}
