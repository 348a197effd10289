package io.crossdock.core.routing;

/// Options of a reference dispatch.
///
/// Safe for any thread.
///
/// @param topology ranks and experts
/// @param expertAlignment counts of local experts are rounded up to it
/// @param numWorstTokens rows of the outputs, 0 for as many as arrive
public record DispatchSpec(Topology topology, int expertAlignment, int numWorstTokens) {

  /// Exact sizes, alignment 1.
  ///
  /// @param topology ranks and experts
  /// @return the options
  public static DispatchSpec of(Topology topology) {
    return new DispatchSpec(topology, 1, 0);
  }
}
