package io.crossdock.cli;

import io.crossdock.core.InvalidInputException;
import java.time.Duration;

/// Where the ranks of a job run.
///
/// Safe for any thread.
///
/// @param ranks how many
/// @param nodes into which they are split, in rank order; each has as many
/// @param launch threads or processes
/// @param transport between nodes by name; null lets the buffer choose
/// @param timeout of the whole job
record JobShape(int ranks, int nodes, LaunchMode launch, String transport, Duration timeout) {

  /// Checks that nodes are equal.
  JobShape {
    checkNodes(ranks, nodes);
  }

  /// Refuses nodes of different sizes.
  ///
  /// @throws InvalidInputException if the ranks do not split evenly
  static void checkNodes(int ranks, int nodes) {
    if (nodes < 1 || ranks % nodes != 0) {
      throw new InvalidInputException(
          "ranks do not split into nodes of equal size: ranks=" + ranks + ", nodes=" + nodes);
    }
  }

  /// {@return this shape with another number of nodes}
  ///
  /// @param numNodes how many
  JobShape withNodes(int numNodes) {
    return new JobShape(ranks, numNodes, launch, transport, timeout);
  }

  /// {@return ranks of each node}
  int localRanks() {
    return ranks / nodes;
  }
}
