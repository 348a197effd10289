package io.crossdock.core.routing;

import io.crossdock.core.InvalidInputException;

/// Ranks, nodes and where experts live.
///
/// Safe for any thread.
///
/// @param numRanks R
/// @param numLocalRanks ranks of each node; divides R
/// @param numExperts E; a multiple of R
public record Topology(int numRanks, int numLocalRanks, int numExperts) {

  /// Checks that everything divides.
  public Topology {
    boolean fits =
        numRanks >= 1
            && numLocalRanks >= 1
            && numExperts >= 1
            && numRanks % numLocalRanks == 0
            && numExperts % numRanks == 0;
    if (!fits) {
      throw new InvalidInputException(
          "topology does not divide evenly: numRanks="
              + numRanks
              + ", numLocalRanks="
              + numLocalRanks
              + ", numExperts="
              + numExperts);
    }
  }

  /// {@return a topology of one node}
  ///
  /// @param numRanks R
  /// @param numExperts E
  public static Topology oneNode(int numRanks, int numExperts) {
    return new Topology(numRanks, numRanks, numExperts);
  }

  /// {@return nodes}
  public int numNodes() {
    return numRanks / numLocalRanks;
  }

  /// {@return experts of each rank}
  public int numLocalExperts() {
    return numExperts / numRanks;
  }

  /// {@return the rank an expert lives on}
  ///
  /// @param expert global id
  public int rankOf(long expert) {
    return (int) (expert / numLocalExperts());
  }

  /// {@return the node a rank belongs to}
  ///
  /// @param rank a rank
  public int nodeOf(int rank) {
    return rank / numLocalRanks;
  }
}
