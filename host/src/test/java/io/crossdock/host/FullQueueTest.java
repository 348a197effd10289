package io.crossdock.host;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import io.crossdock.core.AbortedException;
import io.crossdock.core.RefusedException;
import io.crossdock.core.WaitTimeoutException;
import io.crossdock.core.protocol.PeerState;
import java.lang.foreign.ValueLayout;
import java.time.Duration;
import java.util.Collections;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// Rank 0 of three nodes, one rank each, has put much that a peer does not take in.
@Timeout(60)
class FullQueueTest {
  private static final Duration TIMEOUT = Duration.ofSeconds(1);

  /// More than a peer that takes in what comes ever has before it.
  private static final int FULL = 1_000;

  private ThreeNodes nodes;
  private StubTransport transport;
  private Network network;
  private HostContext context;

  private void open(boolean shrinks) {
    nodes = new ThreeNodes(shrinks, TIMEOUT);
    transport = nodes.transport;
    network = nodes.network;
    context = nodes.context;
  }

  @AfterEach
  void close() {
    nodes.close();
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

  @Test
  void beatsAreLeftOutWhereTheyAreNotTakenIn() {
    open(true);
    LowLatencyContext lowLatency = new LowLatencyContext(context, network);
    transport.pending.set(2, FULL);
    lowLatency.board.publishFarBeat();
    assertThat(transport.signalled).containsExactly(1);
    transport.pending.set(2, 0);
    lowLatency.board.publishFarBeat();
    assertThat(transport.signalled).containsExactly(1, 1, 2);
  }

  /// Rank 1 sees beats meanwhile, so it does not give rank 0 up; rank 2 is given up.
  @Test
  void rowsForAFullQueueWaitLikeAllElse() {
    open(true);
    LowLatencyContext lowLatency = new LowLatencyContext(context, network);
    transport.pending.set(2, FULL);
    lowLatency.state.begin();
    lowLatency.lanes.putReplies(1, 1, 0, 16);
    lowLatency.lanes.putReplies(2, 1, 0, 16);
    assertThat(transport.puts).containsExactly(1);
    assertThat(lowLatency.state.isMasked(1)).isFalse();
    assertThat(lowLatency.state.isMasked(2)).isTrue();
    assertThat(Collections.frequency(transport.signalled, 1)).isGreaterThan(10);
    assertThat(Collections.frequency(transport.signalled, 2)).isLessThan(5);
  }

  @Test
  void rowsForAFullQueueEndTheBufferInTime() {
    open(false);
    LowLatencyContext lowLatency = new LowLatencyContext(context, network);
    transport.pending.set(2, FULL);
    lowLatency.state.begin();
    expectNamed(
        catchThrowableOfType(
            WaitTimeoutException.class, () -> lowLatency.lanes.putReplies(2, 1, 0, 16)),
        FULL);
    assertThat(context.board.state(0)).isEqualTo(PeerState.ABORTED);
  }

  /// A word of another rank that gave up ends the wait long before its time.
  @Test
  void aWaitForAFullQueueHearsOfAborts() {
    open(false);
    LowLatencyContext lowLatency = new LowLatencyContext(context, network);
    transport.pending.set(2, FULL);
    lowLatency.state.begin();
    context.board.publishState(PeerState.ABORTED, "told");
    transport.puts.clear();
    assertThatThrownBy(() -> lowLatency.lanes.putReplies(2, 1, 0, 16))
        .isInstanceOf(AbortedException.class)
        .hasMessageContaining("told");
    assertThat(transport.puts).isEmpty();
  }

  /// Near ranks would wait for this one.
  @Test
  void wordsThatFindNoRoomEndTheBuffer() {
    open(false);
    transport.pending.set(2, 3);
    WaitTimeoutException thrown =
        catchThrowableOfType(
            WaitTimeoutException.class,
            () -> {
              for (int epoch = 1; epoch <= FULL; epoch++) {
                context.board.publishEntry(epoch, context.mine());
              }
            });
    expectNamed(thrown, 3);
    assertThat(context.board.isRunning(0)).isTrue();
    transport.pending.set(2, 0);
    context.tellPeers(thrown);
    assertThat(context.board.state(0)).isEqualTo(PeerState.ABORTED);
    assertThat(context.board.reason(0)).contains("peer=2, phase=SENT");
  }

  /// A word takes room behind a portion, which a full queue must leave.
  @Test
  void portionsAreFewOperations() {
    open(true);
    LowLatencyContext lowLatency = new LowLatencyContext(context, network);
    lowLatency.state.begin();
    lowLatency.lanes.putReplies(1, 1, 0, 2048);
    assertThat(transport.puts).containsExactly(1);
    transport.operationBytes = 4;
    lowLatency.lanes.putReplies(1, 1, 0, 2048);
    assertThat(transport.puts).containsExactly(1, 1, 1);
  }

  /// What a masked rank does not take in is waited for by none.
  @Test
  void refusalsAreToldToTheLivingAlone() {
    open(true);
    LowLatencyContext lowLatency = new LowLatencyContext(context, network);
    lowLatency.waiter.mask(2);
    transport.signalled.clear();
    transport.pending.set(2, 3);
    for (int epoch = 1; epoch <= 500; epoch++) {
      lowLatency.board.publishRefusal(epoch, "told");
    }
    assertThat(transport.puts).hasSize(500).containsOnly(1);
    assertThat(transport.signalled).hasSize(500).containsOnly(1);
  }

  private static void failOneCall(LowLatencyContext lowLatency) {
    long epoch = lowLatency.begin();
    assertThatThrownBy(() ->
            lowLatency.receive(
                epoch,
                () -> {
                  throw new RefusedException(1, "told");
                }))
        .isInstanceOf(RefusedException.class);
  }

  /// Rank 1 sees beats meanwhile; rank 2 is given up, and the buffer goes on.
  @Test
  void theCallBehindAFailedOneDoesWithoutWhoTakesNothingIn() {
    open(true);
    LowLatencyContext lowLatency = new LowLatencyContext(context, network);
    failOneCall(lowLatency);
    transport.signalled.clear();
    transport.pending.set(2, 3);
    assertThat(lowLatency.begin()).isEqualTo(2);
    assertThat(lowLatency.state.isMasked(1)).isFalse();
    assertThat(lowLatency.state.isMasked(2)).isTrue();
    assertThat(Collections.frequency(transport.signalled, 1)).isGreaterThan(10);
    assertThat(context.board.isRunning(0)).isTrue();
  }

  /// A word of another rank that gave up ends the wait long before its time.
  @Test
  void theCallBehindAFailedOneHearsOfAborts() {
    open(false);
    LowLatencyContext lowLatency = new LowLatencyContext(context, network);
    failOneCall(lowLatency);
    transport.pending.set(2, 3);
    context.pages[1].set(ValueLayout.JAVA_LONG, context.layout.state, PeerState.ABORTED.ordinal());
    assertThatThrownBy(lowLatency::begin).isInstanceOf(AbortedException.class);
  }

  /// Without a mask the peer is named, and the buffer ends.
  @Test
  void theCallBehindAFailedOneNamesWhoTakesNothingIn() {
    open(false);
    LowLatencyContext lowLatency = new LowLatencyContext(context, network);
    failOneCall(lowLatency);
    transport.pending.set(2, 3);
    expectNamed(catchThrowableOfType(WaitTimeoutException.class, lowLatency::begin), 3);
    assertThat(context.board.state(0)).isEqualTo(PeerState.ABORTED);
  }
}
