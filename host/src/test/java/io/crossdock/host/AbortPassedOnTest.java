package io.crossdock.host;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import io.crossdock.core.AbortedException;
import io.crossdock.core.BufferClosedException;
import io.crossdock.core.protocol.PeerState;
import java.time.Duration;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// A rank that hears of an abort says so itself: others may be cut off from the rank that aborted,
/// and wait for this one.
@Timeout(60)
class AbortPassedOnTest {
  private static final String REASON = "out of luck";

  private final ThreeNodes nodes = new ThreeNodes(false, Duration.ofSeconds(50));
  private final HostContext context = nodes.context;

  @AfterEach
  void close() {
    nodes.close();
  }

  /// As if rank 1 had passed on that rank 2 aborted.
  private void hearFromRankOne() {
    Board one = new Board(context.layout, context.pages, 1);
    Board two = new Board(context.layout, context.pages, 2);
    two.publishState(PeerState.ABORTED, REASON);
    assertThat(one.origin(2)).isEqualTo(2);
    one.mirror(nodes.network);
    one.passOn(2);
    two.publishState(PeerState.RUNNING, "");
    nodes.transport.signalled.clear();
  }

  private void expectPassedOn() {
    assertThat(context.board.state(0)).isEqualTo(PeerState.ABORTED);
    assertThat(context.board.origin(0)).isEqualTo(2);
    assertThat(context.board.reason(0)).isEqualTo(REASON);
    assertThat(nodes.transport.signalled).containsExactly(1, 2);
  }

  @Test
  void aWaitThatAnAbortEndsPassesItOn() {
    hearFromRankOne();
    AbortedException failure =
        catchThrowableOfType(
            AbortedException.class,
            () -> context.waiter.awaitAtLeast(2, context.layout.slot(1), 1, Phase.ENTER));
    assertThat(failure.origin()).isEqualTo(2);
    assertThat(failure).hasMessageContaining(REASON);
    expectPassedOn();
  }

  @Test
  void aCallThatFindsAnAbortPassesItOn() {
    hearFromRankOne();
    for (int call = 0; call < 3; call++) {
      assertThatThrownBy(context::checkUsable)
          .isInstanceOf(BufferClosedException.class)
          .hasMessageContaining("origin=2, reason=" + REASON);
    }
    expectPassedOn();
  }

  @Test
  void whatARankSaidItselfStands() {
    context.waiter.abort("own");
    hearFromRankOne();
    context.board.passOn(1);
    assertThat(context.board.origin(0)).isZero();
    assertThat(context.board.reason(0)).isEqualTo("own");
    assertThat(nodes.transport.signalled).isEmpty();
  }
}
