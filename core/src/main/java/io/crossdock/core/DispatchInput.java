package io.crossdock.core;

import java.util.Objects;
import java.util.Optional;

/// What one rank sends.
///
/// Safe for any thread.
///
/// @param x rows [tokens, H]: BF16, FP16, F32, or FP8_E4M3
/// @param scales of FP8 rows: F32 [tokens, H/128], or packed UE8M0 I32 [tokens, ceil(H/512)]
/// @param topkIdx global expert ids [tokens, K], I64 or I32, -1 for no route
/// @param topkWeights gate weights F32 [tokens, K]
public record DispatchInput(
    Tensor x, Optional<Tensor> scales, Optional<Tensor> topkIdx, Optional<Tensor> topkWeights) {

  /// Checks that nothing is null.
  public DispatchInput {
    Objects.requireNonNull(x, "x");
    Objects.requireNonNull(scales, "scales");
    Objects.requireNonNull(topkIdx, "topkIdx");
    Objects.requireNonNull(topkWeights, "topkWeights");
  }

  /// Rows with their choices and weights.
  ///
  /// @param x rows [tokens, H]
  /// @param topkIdx expert ids [tokens, K]
  /// @param topkWeights weights [tokens, K]
  /// @return the input
  public static DispatchInput of(Tensor x, Tensor topkIdx, Tensor topkWeights) {
    Objects.requireNonNull(topkIdx, "topkIdx");
    Objects.requireNonNull(topkWeights, "topkWeights");
    return new DispatchInput(x, Optional.empty(), Optional.of(topkIdx), Optional.of(topkWeights));
  }

  /// Rows only: for a cached dispatch, or a fresh one with nothing but a layout.
  ///
  /// @param x rows [tokens, H]
  /// @return the input
  public static DispatchInput rows(Tensor x) {
    return new DispatchInput(x, Optional.empty(), Optional.empty(), Optional.empty());
  }

  /// {@return this input with scales, for FP8 rows}
  ///
  /// @param values see [#scales()]
  public DispatchInput withScales(Tensor values) {
    return new DispatchInput(x, Optional.of(values), topkIdx, topkWeights);
  }

  /// {@return this input with choices but no weights}
  ///
  /// @param ids see [#topkIdx()]
  public DispatchInput withTopkIdx(Tensor ids) {
    return new DispatchInput(x, scales, Optional.of(ids), topkWeights);
  }
}
