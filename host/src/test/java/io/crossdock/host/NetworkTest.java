package io.crossdock.host;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.crossdock.core.BufferSpec;
import io.crossdock.core.CrossdockException;
import io.crossdock.core.protocol.NodePlace;
import io.crossdock.core.spi.Transport;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.parallel.Execution;
import org.junit.jupiter.api.parallel.ExecutionMode;

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

  /// Hangs where it makes progress, and so with the lock of its users.
  private static final class Hanging extends StubTransport {
    private final CountDownLatch hangs = new CountDownLatch(1);
    private final CountDownLatch leave = new CountDownLatch(1);

    @Override
    public boolean progress() {
      hangs.countDown();
      try {
        return leave.await(2 * SECONDS, TimeUnit.SECONDS);
      } catch (InterruptedException e) {
        throw new IllegalStateException(e);
      }
    }
  }

  private static Network network(Transport transport) {
    return network(transport, Duration.ofSeconds(SECONDS));
  }

  private static Network network(Transport transport, Duration timeout) {
    WindowLayout layout = WindowLayout.of(SPEC, PLACE);
    Arena arena = Arena.ofAuto();
    MemorySegment page = arena.allocate(layout.byteSize, 4096);
    Network network = new Network(PLACE, new NodeMemory(layout.nodes, page, arena), timeout);
    network.use(transport);
    return network;
  }

  @Test
  @Timeout(value = 60, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
  @Execution(ExecutionMode.CONCURRENT)
  void whoNeedsATransportThatHangsIsToldInTime() throws Exception {
    Hanging transport = new Hanging();
    try (Network network = network(transport, Duration.ofMillis(200))) {
      network.connect(new byte[2][]);
      network.awaitConnected();
      assertThat(transport.hangs.await(SECONDS, TimeUnit.SECONDS)).isTrue();
      assertThatThrownBy(network::pending)
          .isInstanceOf(CrossdockException.class)
          .hasMessageStartingWith("network is held by a thread that does not return: waitedMs=");
      transport.leave.countDown();
    }
    assertThat(transport.closed.getCount()).isZero();
  }

  /// The thread of a transport that was replaced is not given the next one, and what it may still
  /// use is closed when it ends.
  @Test
  @Execution(ExecutionMode.CONCURRENT)
  void aThreadThatStopsTooLateClosesItsTransportAndTouchesNoOther() throws Exception {
    Stubborn before = new Stubborn();
    StubTransport after = new StubTransport();
    try (Network network = network(before)) {
      network.connect(new byte[2][]);
      network.awaitConnected();
      assertThat(before.awaited.await(SECONDS, TimeUnit.SECONDS)).isTrue();
      assertThatThrownBy(() -> network.use(after))
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

  /// A thread of its own, since who waits for a lock does not heed interrupts.
  @Test
  @Timeout(value = 60, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
  @Execution(ExecutionMode.CONCURRENT)
  void aTransportThatHangsKeepsNobodyFromTheNext() throws Exception {
    Hanging before = new Hanging();
    StubTransport after = new StubTransport();
    try (Network network = network(before)) {
      network.connect(new byte[2][]);
      network.awaitConnected();
      assertThat(before.hangs.await(SECONDS, TimeUnit.SECONDS)).isTrue();
      assertThatThrownBy(() -> network.use(after))
          .hasMessage("thread did not stop: thread=crossdock-net-0");
      network.connect(new byte[2][]);
      network.awaitConnected();
      assertThat(network.failure(1)).isNull();
      network.signal(1, 0, 7);
      assertThat(after.signalled).containsExactly(1);
      assertThat(before.closed.getCount()).isOne();
      before.leave.countDown();
      assertThat(before.closed.await(SECONDS, TimeUnit.SECONDS)).isTrue();
    }
  }

  @Test
  @Timeout(value = 60, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
  @Execution(ExecutionMode.CONCURRENT)
  void aTransportThatHangsAtTheEndIsClosedOnceItStops() throws Exception {
    Hanging transport = new Hanging();
    Network network = network(transport);
    network.connect(new byte[2][]);
    network.awaitConnected();
    assertThat(transport.hangs.await(SECONDS, TimeUnit.SECONDS)).isTrue();
    assertThatThrownBy(network::close)
        .isInstanceOf(CrossdockException.class)
        .hasMessage("thread did not stop: thread=crossdock-net-0");
    assertThat(transport.closed.getCount()).isOne();
    transport.leave.countDown();
    assertThat(transport.closed.await(SECONDS, TimeUnit.SECONDS)).isTrue();
  }

  private static void expectClinging(ThrowingCallable use) {
    assertThatThrownBy(use)
        .isInstanceOf(CrossdockException.class)
        .hasMessageStartingWith("network did not let go of memory: rank=0, bytes=");
  }

  @Test
  @Execution(ExecutionMode.CONCURRENT)
  void aTransportThatDoesNotLetGoIsTold() {
    StubTransport transport = StubTransport.clinging();
    Network network = network(transport);
    network.connect(new byte[2][]);
    network.awaitConnected();
    expectClinging(network::close);
    assertThat(transport.closed.getCount()).isZero();
  }

  /// Peers may still put into this rank's memory over the one before.
  @Test
  @Execution(ExecutionMode.CONCURRENT)
  void aTransportThatIsReplacedAndDoesNotLetGoIsToldAtOnceAndAtTheEnd() {
    StubTransport before = StubTransport.clinging();
    StubTransport after = new StubTransport();
    Network network = network(before);
    network.connect(new byte[2][]);
    network.awaitConnected();
    expectClinging(() -> network.use(after));
    assertThat(before.closed.getCount()).isZero();
    network.connect(new byte[2][]);
    network.awaitConnected();
    network.signal(1, 0, 7);
    assertThat(after.signalled).containsExactly(1);
    expectClinging(network::close);
    assertThat(after.closed.getCount()).isZero();
  }

  @Test
  @Execution(ExecutionMode.CONCURRENT)
  void aTransportThatItsThreadClosesAndThatDoesNotLetGoIsToldAtTheEnd() throws Exception {
    Stubborn before = new Stubborn();
    before.letsGo = false;
    Network network = network(before);
    network.connect(new byte[2][]);
    network.awaitConnected();
    assertThat(before.awaited.await(SECONDS, TimeUnit.SECONDS)).isTrue();
    assertThatThrownBy(() -> network.use(new StubTransport()))
        .hasMessage("thread did not stop: thread=crossdock-net-0");
    before.leave.countDown();
    assertThat(before.closed.await(SECONDS, TimeUnit.SECONDS)).isTrue();
    expectClinging(network::close);
  }

  @Test
  @Execution(ExecutionMode.CONCURRENT)
  void aTransportThatIsReplacedIsClosedAtOnce() {
    StubTransport before = new StubTransport();
    StubTransport after = new StubTransport();
    try (Network network = network(before)) {
      network.connect(new byte[2][]);
      network.awaitConnected();
      network.use(after);
      assertThat(before.closed.getCount()).isZero();
      assertThat(after.closed.getCount()).isOne();
    }
    assertThat(after.closed.getCount()).isZero();
  }
}
