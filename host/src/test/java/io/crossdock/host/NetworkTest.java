package io.crossdock.host;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.crossdock.core.BufferSpec;
import io.crossdock.core.CrossdockException;
import io.crossdock.core.protocol.NodePlace;
import io.crossdock.core.spi.Transport;
import java.lang.foreign.Arena;
import java.time.Duration;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
class NetworkTest {
  private static final NodePlace PLACE = new NodePlace(0, 2, 1);
  private static final long SECONDS = 30;
  private static final BufferSpec SPEC =
      BufferSpec.builder().numMaxTokensPerRank(4).hidden(8).topk(1).numExperts(6).build();

  /// Does not come back from a wait before it is let go, woken or not.
  private static final class Stubborn extends StubTransport {
    private final CountDownLatch leave = new CountDownLatch(1);

    @Override
    public void await(long nanos) {
      awaited.countDown();
      try {
        assertThat(leave.await(SECONDS, TimeUnit.SECONDS)).isTrue();
      } catch (InterruptedException e) {
        throw new IllegalStateException(e);
      }
    }
  }

  private static Network network(Transport transport) {
    WindowLayout layout = WindowLayout.of(SPEC, PLACE);
    return new Network(
        transport,
        PLACE,
        layout.nodes,
        Arena.ofAuto().allocate(layout.byteSize, 4096),
        Duration.ofSeconds(SECONDS));
  }

  /// The thread of a transport that was replaced is not given the next one, and what it may still
  /// use is closed when it ends.
  @Test
  void aThreadThatStopsTooLateClosesItsTransportAndTouchesNoOther() throws Exception {
    Stubborn before = new Stubborn();
    StubTransport after = new StubTransport();
    try (Network network = network(before)) {
      network.connect(new byte[2][]);
      network.awaitConnected();
      assertThat(before.awaited.await(SECONDS, TimeUnit.SECONDS)).isTrue();
      assertThatThrownBy(() -> network.replace(after))
          .isInstanceOf(CrossdockException.class)
          .hasMessage("thread did not stop: thread=crossdock-net-0");
      assertThat(before.closed.getCount()).isOne();
      before.leave.countDown();
      assertThat(before.closed.await(SECONDS, TimeUnit.SECONDS)).isTrue();
      network.connect(new byte[2][]);
      network.awaitConnected();
      assertThat(after.awaited.await(SECONDS, TimeUnit.SECONDS)).isTrue();
      assertThat(after.movers).doesNotContainAnyElementsOf(Set.copyOf(before.movers));
    }
    assertThat(after.closed.getCount()).isZero();
  }

  @Test
  void aTransportThatIsReplacedIsClosedAtOnce() {
    StubTransport before = new StubTransport();
    StubTransport after = new StubTransport();
    try (Network network = network(before)) {
      network.connect(new byte[2][]);
      network.awaitConnected();
      network.replace(after);
      assertThat(before.closed.getCount()).isZero();
      assertThat(after.closed.getCount()).isOne();
    }
    assertThat(after.closed.getCount()).isZero();
  }
}
