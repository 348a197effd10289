package io.crossdock.core;

import java.util.List;
import java.util.Objects;
import java.util.Optional;

/// What one rank gives back.
///
/// Safe for any thread.
///
/// @param y expert outputs BF16 [n, H], in the row order of the dispatch
/// @param topkWeights F32 [n, K] to be summed into `combinedTopkWeights` (the gradient path)
/// @param bias none, one or two BF16 [tokens, H] tensors that the sum starts from
public record CombineInput(Tensor y, Optional<Tensor> topkWeights, List<Tensor> bias) {

  /// Checks the number of biases, and that nothing is null.
  public CombineInput {
    Objects.requireNonNull(y, "y");
    Objects.requireNonNull(topkWeights, "topkWeights");
    bias = List.copyOf(Objects.requireNonNull(bias, "bias"));
    if (bias.size() > 2) {
      throw new InvalidInputException("at most two bias tensors: numBias=" + bias.size());
    }
  }

  /// Expert outputs alone.
  ///
  /// @param y rows [n, H]
  /// @return the input
  public static CombineInput of(Tensor y) {
    return new CombineInput(y, Optional.empty(), List.of());
  }

  /// {@return this input with weights to sum}
  ///
  /// @param weights F32 [n, K]
  public CombineInput withTopkWeights(Tensor weights) {
    return new CombineInput(y, Optional.of(weights), bias);
  }

  /// {@return this input with biases}
  ///
  /// @param tensors one or two BF16 [tokens, H]
  public CombineInput withBias(Tensor... tensors) {
    return new CombineInput(y, topkWeights, List.of(tensors));
  }
}
