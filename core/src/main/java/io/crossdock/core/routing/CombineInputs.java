package io.crossdock.core.routing;

import java.lang.foreign.MemorySegment;
import java.util.List;

/// What all ranks bring to a combine.
///
/// Safe for any thread while nobody changes the arrays.
///
/// @param hidden H
/// @param topk K of the weights, 0 without
/// @param dispatches what each rank received, by rank
/// @param outputs BF16 [n, H] expert outputs, by rank
/// @param weights [n, K] to be summed, by rank; empty without
public record CombineInputs(
    int hidden,
    int topk,
    List<ReferenceDispatch> dispatches,
    List<MemorySegment> outputs,
    List<float[]> weights) {

  /// Copies the lists.
  public CombineInputs {
    dispatches = List.copyOf(dispatches);
    outputs = List.copyOf(outputs);
    weights = List.copyOf(weights);
  }
}
