package io.crossdock.core.group;

import java.time.Duration;
import java.util.Objects;

/// What the members of an in-process group share.
///
/// Safe for any thread.
///
/// @param timeout bound of every wait, positive
/// @param numNodes into how many nodes of equal size the ranks are divided, in rank order; at least
///   1. More than one lets the threads of one machine stand for several machines.
public record GroupOptions(Duration timeout, int numNodes) {
  /// Checks the options.
  ///
  /// @throws GroupConfigException when a value is out of range
  public GroupOptions {
    requireTimeout(timeout);
    if (numNodes < 1) {
      throw new GroupConfigException("number of nodes is not positive: numNodes=" + numNodes);
    }
  }

  /// One node and [ProcessGroup#DEFAULT_TIMEOUT].
  ///
  /// @return the options
  public static GroupOptions defaults() {
    return new GroupOptions(ProcessGroup.DEFAULT_TIMEOUT, 1);
  }

  /// These options with another timeout.
  ///
  /// @param newTimeout bound of every wait, positive
  /// @return the changed options
  public GroupOptions withTimeout(Duration newTimeout) {
    return new GroupOptions(newTimeout, numNodes);
  }

  /// These options with another number of nodes.
  ///
  /// @param newNumNodes the number of nodes, at least 1
  /// @return the changed options
  public GroupOptions withNumNodes(int newNumNodes) {
    return new GroupOptions(timeout, newNumNodes);
  }

  static void requireTimeout(Duration timeout) {
    Objects.requireNonNull(timeout, "timeout");
    if (!timeout.isPositive()) {
      throw new GroupConfigException("timeout is not positive: timeout=" + timeout);
    }
  }
}
