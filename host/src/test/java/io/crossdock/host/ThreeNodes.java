package io.crossdock.host;

import io.crossdock.core.BufferSpec;
import io.crossdock.core.Mode;
import io.crossdock.core.protocol.Entry;
import io.crossdock.core.protocol.NodePlace;
import io.crossdock.core.protocol.ProtocolState;
import io.crossdock.core.protocol.WindowSet;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.Arrays;

/// Rank 0 of three nodes, one rank each, and a network that only takes down what goes out.
final class ThreeNodes implements AutoCloseable {
  private static final NodePlace PLACE = new NodePlace(0, 3, 1);

  final StubTransport transport = new StubTransport();
  final Network network;
  final HostContext context;
  private final Arena arena = Arena.ofShared();

  ThreeNodes(boolean shrinks, Duration timeout) {
    BufferSpec spec =
        BufferSpec.builder()
            .mode(Mode.LOW_LATENCY)
            .enableShrink(shrinks)
            .numMaxTokensPerRank(1)
            .hidden(1024)
            .topk(1)
            .numExperts(3)
            .hostTimeout(timeout)
            .build();
    WindowLayout layout = WindowLayout.of(spec, PLACE);
    MemorySegment page = arena.allocate(layout.byteSize, 4096);
    MemorySegment[] pages = new MemorySegment[3];
    Arrays.setAll(
        pages,
        peer -> peer == 0 ? page : page.asSlice(layout.nodes.mirror(peer), layout.cellBytes));
    network = new Network(PLACE, new NodeMemory(layout.nodes, page, arena), timeout);
    network.use(transport);
    network.connect(new byte[3][]);
    network.awaitConnected();
    Entry[] entries = new Entry[3];
    Arrays.setAll(entries, _ -> new Entry(3, spec.numExperts()));
    ProtocolState protocol = new ProtocolState(PLACE, entries, new WindowSet(1), new WindowSet(1));
    Board board = new Board(layout, pages, 0);
    board.mirror(network);
    Waiter waiter = new Waiter(board, protocol, new long[3], timeout, new WaitTimes(3));
    waiter.reach(network, PLACE);
    context =
        new HostContext(
            spec, new HostContext.Mapping(PLACE, pages, board, network, 1), protocol, waiter);
  }

  @Override
  public void close() {
    network.close();
    context.pool.close();
    arena.close();
  }
}
