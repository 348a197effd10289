package io.crossdock.host;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import io.crossdock.core.BufferSpec;
import io.crossdock.core.Mode;
import io.crossdock.core.WaitTimeoutException;
import io.crossdock.core.protocol.Entry;
import io.crossdock.core.protocol.NodePlace;
import io.crossdock.core.protocol.ProtocolState;
import io.crossdock.core.protocol.WindowSet;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.Arrays;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// Rank 0 of three nodes, one rank each, has put much that a peer does not take in.
@Timeout(60)
class FullQueueTest {
  private static final Duration TIMEOUT = Duration.ofSeconds(1);
  private static final NodePlace PLACE = new NodePlace(0, 3, 1);

  private final Arena arena = Arena.ofShared();
  private final StubTransport transport = new StubTransport();
  private Network network;
  private HostContext context;

  private void open(boolean shrinks) {
    BufferSpec spec =
        BufferSpec.builder()
            .mode(Mode.LOW_LATENCY)
            .enableShrink(shrinks)
            .numMaxTokensPerRank(1)
            .hidden(8)
            .topk(1)
            .numExperts(3)
            .hostTimeout(TIMEOUT)
            .build();
    WindowLayout layout = WindowLayout.of(spec, PLACE);
    MemorySegment page = arena.allocate(layout.byteSize, 4096);
    MemorySegment[] pages = new MemorySegment[3];
    Arrays.setAll(
        pages,
        peer -> peer == 0 ? page : page.asSlice(layout.nodes.mirror(peer), layout.cellBytes));
    network = new Network(transport, PLACE, layout.nodes, page, TIMEOUT);
    network.connect(new byte[3][]);
    Entry[] entries = new Entry[3];
    Arrays.setAll(entries, _ -> new Entry(3, spec.numExperts()));
    ProtocolState protocol = new ProtocolState(PLACE, entries, new WindowSet(1), new WindowSet(1));
    Board board = new Board(layout, pages, 0);
    board.mirror(network);
    Waiter waiter = new Waiter(board, protocol, new long[3], TIMEOUT, new WaitTimes(3));
    waiter.reach(network, PLACE);
    context =
        new HostContext(
            spec, new HostContext.Mapping(PLACE, pages, board, network, 1), protocol, waiter);
  }

  @AfterEach
  void close() {
    network.close();
    context.pool.close();
    arena.close();
  }

  private static void expectNamed(WaitTimeoutException thrown, int left) {
    assertThat(thrown.facts().rank()).isZero();
    assertThat(thrown.facts().peer()).isEqualTo(2);
    assertThat(thrown.facts().phase()).isEqualTo("SENT");
    assertThat(thrown.facts().seen()).isEqualTo(left);
  }

  @Test
  void whoTakesNothingInIsNamed() {
    open(false);
    transport.pending.set(2, 3);
    expectNamed(catchThrowableOfType(WaitTimeoutException.class, context::awaitSent), 3);
  }
}
