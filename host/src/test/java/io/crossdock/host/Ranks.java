package io.crossdock.host;

import io.crossdock.core.BufferSpec;
import io.crossdock.core.protocol.Entry;
import io.crossdock.core.protocol.NodePlace;
import io.crossdock.core.protocol.ProtocolState;
import io.crossdock.core.protocol.WindowSet;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;

/// The contexts of a few ranks over plain memory, with no engine around them.
final class Ranks implements AutoCloseable {
  final Arena arena = Arena.ofShared();
  final WindowLayout layout;
  final MemorySegment[] pages;
  final HostContext[] contexts;

  /// The process of each rank; this one unless a test says otherwise.
  final long[] pids;

  Ranks(BufferSpec spec, int numRanks) {
    layout = WindowLayout.of(spec, numRanks);
    pages = new MemorySegment[numRanks];
    Arrays.setAll(pages, rank -> arena.allocate(layout.byteSize, 4096));
    pids = new long[numRanks];
    Arrays.fill(pids, ProcessHandle.current().pid());
    contexts = new HostContext[numRanks];
    Arrays.setAll(contexts, rank -> context(spec, rank));
  }

  private HostContext context(BufferSpec spec, int rank) {
    Entry[] entries = new Entry[pages.length];
    Arrays.setAll(entries, peer -> new Entry(pages.length, spec.numExperts()));
    ProtocolState protocol =
        new ProtocolState(
            entries,
            new WindowSet(spec.numReceiveWindows()),
            new WindowSet(spec.numOutputWindows()));
    Board board = new Board(layout, pages, rank);
    Waiter waiter =
        new Waiter(board, protocol, pids, spec.hostTimeout(), new WaitTimes(pages.length));
    HostContext.Mapping mapping =
        new HostContext.Mapping(NodePlace.onOneNode(rank, pages.length), pages, board, null, 1);
    return new HostContext(spec, mapping, protocol, waiter);
  }

  @Override
  public void close() {
    for (HostContext context : contexts) {
      context.pool.close();
    }
    arena.close();
  }
}
