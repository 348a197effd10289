package io.crossdock.host;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowable;

import io.crossdock.core.BufferClosedException;
import io.crossdock.core.BufferSpec;
import io.crossdock.core.CrossdockException;
import io.crossdock.core.TransportUnavailableException;
import io.crossdock.core.group.GroupOptions;
import io.crossdock.core.group.InProcessGroup;
import io.crossdock.core.group.ProcessGroup;
import io.crossdock.core.spi.EngineSession;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.assertj.core.api.InstanceOfAssertFactories;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// Three nodes of one rank each; rank 1 has bad luck.
@Timeout(90)
class NetworksTest {
  private static final int RANKS = 3;
  private static final int UNLUCKY = 1;
  private static final BufferSpec SPEC =
      BufferSpec.builder()
          .numMaxTokensPerRank(4)
          .hidden(8)
          .topk(1)
          .numExperts(6)
          .hostTimeout(Duration.ofSeconds(1))
          .build();

  /// Never connects.
  private static final class Deaf extends StubTransport {
    @Override
    public boolean isConnected(int peer) {
      return false;
    }
  }

  /// Cannot connect, and says so.
  private static final class Cut extends StubTransport {
    @Override
    public boolean isConnected(int peer) {
      return false;
    }

    @Override
    public String failure(int peer) {
      return "cable was cut";
    }
  }

  /// Takes no offer.
  private static final class Choosy extends StubTransport {
    @Override
    public void connect(int peer, byte[] offer) {
      throw new IllegalArgumentException("offer does not fit: peer=" + peer);
    }
  }

  /// Throws an error in one of the steps, as where a library or a thread is not to be had.
  private static final class Broken extends StubTransport {
    private final String step;

    Broken(String step) {
      this.step = step;
    }

    private void enter(String name) {
      if (name.equals(step)) {
        throw new OutOfMemoryError("broken in " + name);
      }
    }

    @Override
    public byte[] offer() {
      enter("offer");
      return super.offer();
    }

    @Override
    public void connect(int peer, byte[] offer) {
      enter("connect");
    }

    @Override
    public boolean isConnected(int peer) {
      enter("isConnected");
      return true;
    }
  }

  /// Does not come back from a wait before it is let go.
  private static final class Hanging extends StubTransport {
    private final CountDownLatch leave = new CountDownLatch(1);

    @Override
    public void await(long nanos) {
      awaited.countDown();
      try {
        assertThat(leave.await(60, TimeUnit.SECONDS)).isTrue();
      } catch (InterruptedException e) {
        throw new IllegalStateException(e);
      }
    }
  }

  /// What a rank does with its session.
  ///
  /// Confined to the thread of the rank.
  private interface Use {
    void run(int rank, EngineSession session);
  }

  private static StubTransport pick(int rank, StubTransport unlucky) {
    return rank == UNLUCKY ? unlucky : new StubTransport();
  }

  /// {@return what the ranks threw, by rank; null where nothing}
  private static List<Throwable> onAll(StubProvider provider, Use use) throws Exception {
    GroupOptions options =
        GroupOptions.defaults().withTimeout(Duration.ofSeconds(30)).withNumNodes(RANKS);
    List<ProcessGroup> groups = InProcessGroup.create(RANKS, options);
    List<Throwable> failures = new ArrayList<>();
    try (ExecutorService threads = Executors.newFixedThreadPool(RANKS)) {
      List<Future<Throwable>> ranks = new ArrayList<>();
      for (ProcessGroup group : groups) {
        ranks.add(threads.submit(() -> catchThrowable(() -> open(provider, group, use))));
      }
      for (Future<Throwable> rank : ranks) {
        failures.add(rank.get(60, TimeUnit.SECONDS));
      }
    }
    groups.forEach(ProcessGroup::close);
    return failures;
  }

  /// The network of one rank loses another rank first, so that a reset connects anew.
  private static Use afterALoss(StubProvider provider, Use use) {
    return (rank, session) -> {
      if (rank == UNLUCKY) {
        provider.opened(rank).getFirst().transport().giveUp(0, "went away");
      }
      use.run(rank, session);
    };
  }

  private static void open(StubProvider provider, ProcessGroup group, Use use) {
    try (EngineSession session = new HostEngine(() -> provider).openSession(SPEC, group)) {
      use.run(group.rank(), session);
    }
  }

  private static void checkAllTell(List<Throwable> failures, String reason) {
    assertThat(failures)
        .hasSize(RANKS)
        .allSatisfy(failure ->
            assertThat(failure)
                .isInstanceOf(TransportUnavailableException.class)
                .hasMessageContaining("reason=" + reason));
    for (int rank = 0; rank < RANKS; rank++) {
      String start =
          rank == UNLUCKY
              ? "this rank does not reach other nodes: rank=1, "
              : "a rank does not reach other nodes: rank=" + rank + ", peer=1, ";
      assertThat(failures.get(rank)).hasMessageStartingWith(start);
    }
  }

  private static void checkAllIsGivenBack(StubProvider provider) {
    assertThat(provider.opened())
        .hasSize(RANKS)
        .allSatisfy(one -> {
          assertThat(one.transport().closed.getCount()).isZero();
          assertThat(one.region().scope().isAlive()).isFalse();
        });
  }

  private static void checkOpeningFails(StubTransport unlucky, String reason) throws Exception {
    StubProvider provider = new StubProvider((rank, _) -> pick(rank, unlucky));
    checkAllTell(onAll(provider, (_, _) -> {}), reason);
    checkAllIsGivenBack(provider);
  }

  @Test
  void aConnectionThatDoesNotComeIsOneFailureOnAll() throws Exception {
    checkOpeningFails(
        new Deaf(), "peer did not arrive: rank=1, peer=0, phase=CONNECT, expected=1, seen=0");
  }

  @Test
  void aConnectionThatFailsIsOneFailureOnAll() throws Exception {
    checkOpeningFails(new Cut(), "peer cannot be reached: rank=1, peer=0, cause=cable was cut");
  }

  @Test
  void anOfferThatDoesNotFitIsOneFailureOnAll() throws Exception {
    checkOpeningFails(new Choosy(), "offer does not fit: peer=0");
  }

  private static void checkBrokenIsTold(List<Throwable> failures, String step) {
    checkAllTell(failures, "java.lang.OutOfMemoryError: broken in " + step);
    assertThat(failures.get(UNLUCKY)).hasCauseInstanceOf(OutOfMemoryError.class);
  }

  @ParameterizedTest
  @ValueSource(strings = {"offer", "connect", "isConnected"})
  void anErrorIsOneFailureOnAll(String step) throws Exception {
    StubProvider provider = new StubProvider((rank, _) -> pick(rank, new Broken(step)));
    checkBrokenIsTold(onAll(provider, (_, _) -> {}), step);
    checkAllIsGivenBack(provider);
  }

  @Test
  void anErrorInsteadOfATransportIsOneFailureOnAll() throws Exception {
    StubProvider provider =
        new StubProvider((rank, _) -> {
          if (rank == UNLUCKY) {
            throw new OutOfMemoryError("broken in open");
          }
          return new StubTransport();
        });
    checkBrokenIsTold(onAll(provider, (_, _) -> {}), "open");
  }

  @Test
  void anErrorInAResetIsOneFailureOnAll() throws Exception {
    StubProvider provider =
        new StubProvider((rank, round) ->
            pick(rank, round == 0 ? new StubTransport() : new Broken("isConnected")));
    List<Throwable> failures = onAll(provider, afterALoss(provider, (_, s) -> s.reset()));
    checkBrokenIsTold(failures, "isConnected");
  }

  /// A buffer without a network takes no calls, whether it had been aborted before or not.
  @Test
  void aResetThatDoesNotConnectIsOneFailureOnAllAndAborts() throws Exception {
    StubProvider provider =
        new StubProvider(
            (rank, round) -> pick(rank, round == 0 ? new StubTransport() : new Deaf()));
    List<Throwable> failures =
        onAll(
            provider,
            afterALoss(
                provider,
                (rank, session) -> {
                  Throwable failure = catchThrowable(session::reset);
                  assertThatThrownBy(session::barrier)
                      .isInstanceOf(BufferClosedException.class)
                      .hasMessageContaining("buffer was aborted and not reset: origin=" + rank)
                      .hasMessageContaining("phase=CONNECT");
                  throw (RuntimeException) failure;
                }));
    checkAllTell(failures, "peer did not arrive: rank=1, peer=0, phase=CONNECT");
    assertThat(provider.opened())
        .hasSize(2 * RANKS)
        .allSatisfy(one -> assertThat(one.transport().closed.getCount()).isZero());
  }

  /// A thread that is told to end before it hangs would not hang.
  private static void awaitHang(CountDownLatch hangs) {
    try {
      assertThat(hangs == null || hangs.await(30, TimeUnit.SECONDS)).isTrue();
    } catch (InterruptedException e) {
      throw new IllegalStateException(e);
    }
  }

  /// Its memory is not unmapped under it.
  @Test
  void aTransportThatHangsAtTheEndKeepsItsMemory() throws Exception {
    Hanging hanging = new Hanging();
    StubProvider provider = new StubProvider((rank, _) -> pick(rank, hanging));
    List<Throwable> failures =
        onAll(provider, (rank, _) -> awaitHang(rank == UNLUCKY ? hanging.awaited : null));
    assertThat(failures.get(0)).isNull();
    assertThat(failures.get(2)).isNull();
    assertThat(failures.get(UNLUCKY)).hasMessage("thread did not stop: thread=crossdock-net-1");
    assertThat(hanging.closed.getCount()).isOne();
    assertThat(provider.opened(UNLUCKY).getFirst().region().scope().isAlive()).isTrue();
    assertThat(provider.opened(0).getFirst().region().scope().isAlive()).isFalse();
    hanging.leave.countDown();
    assertThat(hanging.closed.await(30, TimeUnit.SECONDS)).isTrue();
  }

  private static void checkMemoryStaysOnOne(StubProvider provider) {
    assertThat(provider.opened())
        .allSatisfy(one -> {
          assertThat(one.transport().closed.getCount()).isZero();
          assertThat(one.region().scope().isAlive()).isEqualTo(one.rank() == UNLUCKY);
        });
  }

  @Test
  void aTransportThatDoesNotLetGoKeepsItsMemory() throws Exception {
    StubProvider provider = new StubProvider((rank, _) -> pick(rank, StubTransport.clinging()));
    List<Throwable> failures = onAll(provider, (_, _) -> {});
    assertThat(failures.get(0)).isNull();
    assertThat(failures.get(2)).isNull();
    assertThat(failures.get(UNLUCKY))
        .isInstanceOf(CrossdockException.class)
        .hasMessageStartingWith("network did not let go of memory: rank=1, bytes=");
    checkMemoryStaysOnOne(provider);
  }

  /// The next one lets go, which does not help.
  @Test
  void aTransportBeforeAResetThatDoesNotLetGoKeepsItsMemory() throws Exception {
    StubProvider provider =
        new StubProvider((rank, round) ->
            pick(rank, round == 0 ? StubTransport.clinging() : new StubTransport()));
    List<Throwable> failures = onAll(provider, afterALoss(provider, (_, s) -> s.reset()));
    checkAllTell(failures, "network did not let go of memory: rank=1, bytes=");
    assertThat(failures.get(UNLUCKY).getSuppressed())
        .singleElement()
        .asInstanceOf(InstanceOfAssertFactories.THROWABLE)
        .hasMessageStartingWith("network did not let go of memory: rank=1, bytes=");
    checkMemoryStaysOnOne(provider);
  }

  @Test
  void aTransportThatDoesNotLetGoWhenOpeningFailsKeepsItsMemory() throws Exception {
    Deaf deaf = new Deaf();
    deaf.letsGo = false;
    StubProvider provider = new StubProvider((rank, _) -> pick(rank, deaf));
    checkAllTell(onAll(provider, (_, _) -> {}), "peer did not arrive: rank=1, peer=0");
    checkMemoryStaysOnOne(provider);
  }
}
