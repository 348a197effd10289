package io.crossdock.core.protocol;

/// Where a rank stands among nodes of equal size, whose ranks are numbered one after the other.
///
/// Safe for any thread.
///
/// @param rank this rank
/// @param numRanks R
/// @param numLocalRanks ranks of each node; divides R
public record NodePlace(int rank, int numRanks, int numLocalRanks) {
  /// A rank of a single node.
  ///
  /// @param rank this rank
  /// @param numRanks R
  /// @return its place
  public static NodePlace onOneNode(int rank, int numRanks) {
    return new NodePlace(rank, numRanks, numRanks);
  }

  /// {@return nodes}
  public int numNodes() {
    return numRanks / numLocalRanks;
  }

  /// {@return this rank's node}
  public int node() {
    return nodeOf(rank);
  }

  /// {@return the node of a rank}
  ///
  /// @param peer a rank
  public int nodeOf(int peer) {
    return peer / numLocalRanks;
  }

  /// {@return this rank's index in its node}
  public int localRank() {
    return rank % numLocalRanks;
  }

  /// {@return the first rank of this rank's node}
  public int firstNear() {
    return node() * numLocalRanks;
  }

  /// {@return the rank behind the last one of this rank's node}
  public int endNear() {
    return firstNear() + numLocalRanks;
  }

  /// {@return true if a rank is of this rank's node}
  ///
  /// @param peer a rank
  public boolean isNear(int peer) {
    return nodeOf(peer) == node();
  }

  /// {@return the rank of a node that has this rank's index there: scale-out traffic with that node
  /// goes through it}
  ///
  /// @param node a node
  public int onRail(int node) {
    return node * numLocalRanks + localRank();
  }
}
