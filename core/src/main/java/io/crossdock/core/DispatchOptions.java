package io.crossdock.core;

import java.util.Objects;
import java.util.Optional;

/// Options of a dispatch.
///
/// Safe for any thread.
///
/// @param call ordering against other work
/// @param config how the machine is used; empty takes the buffer's own
/// @param placement where rows end up
/// @param expertAlignment each entry of `tokensPerLocalExpert` is rounded up to a multiple of it
/// @param numWorstTokens rows of the outputs when > 0: no host synchronisation, tail rows have
///   topkIdx -1
public record DispatchOptions(
    CallOptions call,
    Optional<DispatchConfig> config,
    Placement placement,
    int expertAlignment,
    long numWorstTokens) {

  /// Synchronous, borrowed, alignment 1, exact size.
  public static final DispatchOptions DEFAULT =
      new DispatchOptions(CallOptions.DEFAULT, Optional.empty(), Placement.BORROWED, 1, 0);

  /// Checks ranges, and that nothing is null.
  public DispatchOptions {
    Objects.requireNonNull(call, "call");
    Objects.requireNonNull(config, "config");
    Objects.requireNonNull(placement, "placement");
    if (expertAlignment < 1 || numWorstTokens < 0) {
      throw new InvalidInputException(
          "dispatch options are invalid: expertAlignment="
              + expertAlignment
              + ", numWorstTokens="
              + numWorstTokens);
    }
  }

  /// {@return these options with another ordering}
  ///
  /// @param options see [CallOptions]
  public DispatchOptions withCall(CallOptions options) {
    return new DispatchOptions(options, config, placement, expertAlignment, numWorstTokens);
  }

  /// {@return these options with a config}
  ///
  /// @param use how the machine is used
  public DispatchOptions withConfig(DispatchConfig use) {
    return new DispatchOptions(call, Optional.of(use), placement, expertAlignment, numWorstTokens);
  }

  /// {@return these options with another placement}
  ///
  /// @param where where rows end up
  public DispatchOptions withPlacement(Placement where) {
    return new DispatchOptions(call, config, where, expertAlignment, numWorstTokens);
  }

  /// {@return these options with an expert alignment}
  ///
  /// @param alignment rows, >= 1
  public DispatchOptions withExpertAlignment(int alignment) {
    return new DispatchOptions(call, config, placement, alignment, numWorstTokens);
  }

  /// {@return these options with fixed output sizes}
  ///
  /// @param rows output rows; 0 for the exact size
  public DispatchOptions withNumWorstTokens(long rows) {
    return new DispatchOptions(call, config, placement, expertAlignment, rows);
  }
}
