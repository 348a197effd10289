package io.crossdock.host;

import io.crossdock.core.protocol.NodePlace;
import java.lang.foreign.MemorySegment;

/// Memory that bytes for other nodes are put from, laid out like the landings they go to. It costs
/// nothing until it is used. A call that used it ends when the network needs it no more.
///
/// Confined to the thread that runs the call; written by its workers.
final class NodeStaging {
  private final MemorySegment[] chunks;

  NodeStaging(NodePlace place, NodeLayout layout, Network network) {
    chunks = new MemorySegment[place.numNodes()];
    for (int node = 0; node < chunks.length; node++) {
      boolean far = node != place.node();
      chunks[node] = far ? network.map(layout.chunkBytes) : null;
    }
  }

  /// {@return memory for chunks that go to a node}
  MemorySegment chunks(int node) {
    return chunks[node];
  }
}
