package io.crossdock.host;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import io.crossdock.core.AbortedException;
import io.crossdock.core.BufferSpec;
import io.crossdock.core.CrossdockException;
import io.crossdock.core.PeerLeftException;
import io.crossdock.core.WaitTimeoutException;
import io.crossdock.core.protocol.PeerProcess;
import io.crossdock.core.protocol.PeerState;
import java.io.BufferedReader;
import java.io.IOException;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.TimeUnit;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/// Rank 0 waits for rank 1; rank 2 looks on.
@Timeout(60)
class WaiterTest {
  private static final Duration LONG = Duration.ofSeconds(50);
  private static final Duration SHORT = Duration.ofMillis(120);

  private Ranks ranks;

  @AfterEach
  void close() {
    ranks.close();
  }

  private HostContext open(Duration timeout) {
    ranks =
        new Ranks(
            BufferSpec.builder()
                .numMaxTokensPerRank(1)
                .hidden(8)
                .topk(1)
                .numExperts(3)
                .hostTimeout(timeout)
                .build(),
            3);
    return ranks.contexts[0];
  }

  private void awaitPulled(long epoch) {
    ranks.contexts[0].waiter.awaitAtLeast(1, ranks.layout.pulled, epoch, Phase.PULL);
  }

  @Test
  void whatIsThereIsNotWaitedFor() {
    open(SHORT);
    ranks.contexts[1].board.publishPulled(5);
    awaitPulled(5);
    awaitPulled(4);
    assertThat(ranks.contexts[2].board.state(0)).isEqualTo(PeerState.RUNNING);
  }

  /// Once while the waiter spins or yields, and once after it parked.
  @Test
  void theWaitEndsWhenThePeerArrives() throws Exception {
    open(LONG);
    for (long epoch = 1; epoch <= 20; epoch++) {
      CompletableFuture<Void> waiting = waitElsewhere(epoch);
      if (epoch % 5 == 0) {
        awaitParked();
      }
      ranks.contexts[1].board.publishPulled(epoch);
      waiting.get(20, TimeUnit.SECONDS);
    }
  }

  private volatile Thread waiter;

  private CompletableFuture<Void> waitElsewhere(long epoch) {
    waiter = null;
    CompletableFuture<Void> done = new CompletableFuture<>();
    Thread thread =
        new Thread(() -> {
          try {
            awaitPulled(epoch);
            done.complete(null);
          } catch (RuntimeException | Error e) {
            done.completeExceptionally(e);
          }
        });
    thread.start();
    waiter = thread;
    return done;
  }

  private void awaitParked() {
    while (waiter.getState() != Thread.State.TIMED_WAITING) {
      Thread.onSpinWait();
    }
  }

  @ParameterizedTest
  @EnumSource(
      value = Phase.class,
      names = {"ARRIVE", "PARTIAL"})
  void aWaitForRowsSaysHowManyCame(Phase phase) {
    HostContext context = open(SHORT);
    ranks.contexts[1].board.publishFinished(NodeLayout.mark(7, 3, false));
    long expected = NodeLayout.mark(7, 5, false);
    WaitTimeoutException failure =
        catchThrowableOfType(
            WaitTimeoutException.class,
            () -> context.waiter.awaitAtLeast(1, ranks.layout.finished, expected, phase));
    assertThat(failure.facts().expected()).isEqualTo(5);
    assertThat(failure.facts().seen()).isEqualTo(3);
  }

  @ParameterizedTest
  @EnumSource(
      value = Phase.class,
      mode = EnumSource.Mode.EXCLUDE,
      names = {"ARRIVE", "PARTIAL"})
  void aWaitThatExpiresSaysWhatItWaitedFor(Phase phase) {
    HostContext context = open(SHORT);
    ranks.contexts[1].board.publishFinished(11);
    WaitTimeoutException failure =
        catchThrowableOfType(
            WaitTimeoutException.class,
            () -> context.waiter.awaitAtLeast(1, ranks.layout.finished, 12, phase));
    WaitTimeoutException.Facts facts = failure.facts();
    assertThat(facts.rank()).isZero();
    assertThat(facts.peer()).isEqualTo(1);
    assertThat(facts.phase()).isEqualTo(phase.name());
    assertThat(facts.expected()).isEqualTo(12);
    assertThat(facts.seen()).isEqualTo(11);
    assertThat(facts.waitedNanos()).isBetween(SHORT.toNanos(), LONG.toNanos());
    assertThat(failure)
        .hasMessageMatching(
            "peer did not arrive: rank=0, peer=1, phase=%s, expected=12, seen=11, waitedMs=\\d+"
                .formatted(phase));
    assertAborted(0, failure.getMessage());
  }

  /// Every rank can read that a rank gave up, and why.
  private void assertAborted(int origin, String reason) {
    Board board = ranks.contexts[2].board;
    assertThat(board.state(origin)).isEqualTo(PeerState.ABORTED);
    assertThat(board.reason(origin)).isEqualTo(reason);
    assertThatThrownBy(ranks.contexts[2]::checkUsable)
        .hasMessageContaining("origin=" + origin)
        .hasMessageContaining(reason);
  }

  @Test
  void anAbortOfAnyRankEndsTheWait() {
    open(LONG);
    ranks.contexts[2].board.publishState(PeerState.ABORTED, "out of luck");
    AbortedException failure = catchThrowableOfType(AbortedException.class, () -> awaitPulled(1));
    assertThat(failure.origin()).isEqualTo(2);
    assertThat(failure).hasMessageContaining("out of luck");
  }

  @Test
  void anAbortEndsAWaitThatParked() {
    open(LONG);
    CompletableFuture<Void> waiting = waitElsewhere(1);
    awaitParked();
    ranks.contexts[2].waiter.abort("out of luck");
    assertThatThrownBy(waiting::join)
        .isInstanceOf(CompletionException.class)
        .cause()
        .isInstanceOf(AbortedException.class)
        .hasMessageContaining("out of luck");
  }

  @Test
  void aPeerThatLeftIsNotWaitedFor() {
    open(LONG);
    ranks.contexts[1].board.publishState(PeerState.LEAVING, "");
    String message = "peer left during a call: rank=0, peer=1";
    assertThatThrownBy(() -> awaitPulled(1))
        .isInstanceOf(PeerLeftException.class)
        .hasMessage(message);
    assertAborted(0, message);
  }

  @Test
  void aPeerMayLeaveWhenItsPartIsDone() {
    open(LONG);
    ranks.contexts[1].board.publishPulled(1);
    ranks.contexts[1].board.publishState(PeerState.LEAVING, "");
    ranks.contexts[2].board.publishState(PeerState.LEAVING, "");
    awaitPulled(1);
  }

  @Test
  void aPeerThatIsNotAwaitedMayLeave() {
    open(SHORT);
    ranks.contexts[2].board.publishState(PeerState.LEAVING, "");
    assertThatThrownBy(() -> awaitPulled(1)).isInstanceOf(WaitTimeoutException.class);
  }

  @Test
  void aProcessThatEndedIsNotWaitedFor() throws Exception {
    Process ended = new ProcessBuilder("true").start();
    assertThat(ended.waitFor(20, TimeUnit.SECONDS)).isTrue();
    open(LONG);
    ranks.pids[1] = ended.pid();
    assertDead(() -> awaitPulled(1));
  }

  /// A process that was killed but whose parent has not asked for its end.
  @Test
  void aProcessThatNobodyBuriedIsNotWaitedFor() throws Exception {
    Process parent = new ProcessBuilder("sh", "-c", "true & echo $!; exec sleep 50").start();
    try {
      open(LONG);
      ranks.pids[1] = Long.parseLong(firstLine(parent));
      assertDead(() -> awaitPulled(1));
    } finally {
      parent.destroyForcibly();
    }
  }

  private static String firstLine(Process process) throws IOException {
    try (BufferedReader lines = process.inputReader()) {
      return lines.readLine();
    }
  }

  private void assertDead(ThrowingCallable wait) {
    PeerLeftException failure = catchThrowableOfType(PeerLeftException.class, wait);
    assertThat(failure)
        .hasMessage(
            "peer process died: rank=0, peer=1, pid="
                + ranks.pids[1]
                + ", phase=PULL, expected=1, seen=0");
    assertAborted(0, failure.getMessage());
  }

  @Test
  void thisProcessAndItsParentAreAlive() {
    open(SHORT);
    ProcessHandle mine = ProcessHandle.current();
    assertThat(PeerProcess.isAlive(mine.pid())).isTrue();
    assertThat(PeerProcess.isAlive(mine.parent().orElseThrow().pid())).isTrue();
    assertThat(PeerProcess.isAlive(Integer.MAX_VALUE)).isFalse();
  }

  @Test
  void anInterruptEndsTheWaitAndIsKept() {
    open(LONG);
    Thread.currentThread().interrupt();
    assertThatThrownBy(() -> awaitPulled(1))
        .isExactlyInstanceOf(CrossdockException.class)
        .hasMessage("interrupted while waiting for a peer: rank=0");
    assertThat(Thread.interrupted()).isTrue();
    assertAborted(0, "interrupted while waiting for a peer: rank=0");
  }
}
