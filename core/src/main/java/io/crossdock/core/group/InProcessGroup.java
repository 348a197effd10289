package io.crossdock.core.group;

import java.util.ArrayList;
import java.util.List;

/// Groups whose ranks are threads of this process.
///
/// Safe for any thread.
public final class InProcessGroup {
  private InProcessGroup() {}

  /// Makes a group.
  ///
  /// @param size R, at least 1
  /// @param options timeout, and how many nodes the ranks pretend to be on
  /// @return one member per rank, by rank
  /// @throws GroupConfigException when the ranks do not split into that many nodes
  public static List<ProcessGroup> create(int size, GroupOptions options) {
    if (size < 1 || size % options.numNodes() != 0) {
      throw new GroupConfigException(
          "ranks do not split into nodes: size=" + size + ", numNodes=" + options.numNodes());
    }
    LocalHub hub = new LocalHub(size, LocalHub.Listener.NONE);
    int localSize = size / options.numNodes();
    List<ProcessGroup> members = new ArrayList<>(size);
    for (int rank = 0; rank < size; rank++) {
      var membership =
          new HubGroup.Membership(rank, size, localSize, true, "in-process", options.timeout());
      members.add(new HubGroup(membership, hub, () -> {}));
    }
    return members;
  }
}
