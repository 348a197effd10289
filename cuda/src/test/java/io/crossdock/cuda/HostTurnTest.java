package io.crossdock.cuda;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import io.crossdock.core.AbortedException;
import io.crossdock.core.CrossdockException;
import io.crossdock.core.WaitTimeoutException;
import io.crossdock.ffi.NativeCallException;
import java.time.Duration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// What a wait of the host for a GPU ends with where no report comes.
@Timeout(60)
class HostTurnTest {
  private static final int RANK = 2;
  private static final long TICKET = 12;
  private static final long REPORTED = 10;
  private static final Duration SHORT = Duration.ofMillis(30);
  private static final Duration LONG = Duration.ofMinutes(5);

  private final Stage stage = new Stage();

  /// A GPU that never reports.
  private static final class Stage implements HostTurn.Scene {
    private boolean gpuDone;
    private RuntimeException gpuFailure;
    private int looks;
    private CrossdockException failure;
    private String reason;
    private long ticket;

    @Override
    public long reported() {
      return REPORTED;
    }

    @Override
    public void lookAtPeers() {
      looks++;
    }

    @Override
    public boolean isGpuDone() {
      if (gpuFailure != null) {
        throw gpuFailure;
      }
      return gpuDone;
    }

    @Override
    public void giveUp(CrossdockException thrown, String told, long call) {
      failure = thrown;
      reason = told;
      ticket = call;
    }
  }

  /// Waits for a report that does not come, until the GPU is idle or the turn throws.
  private HostTurn awaitIdle(Duration bound) {
    HostTurn turn = new HostTurn(stage, RANK, bound);
    turn.begin();
    while (!turn.isIdle(TICKET)) {
      assertThat(stage.failure).as("given up, and not thrown").isNull();
    }
    return turn;
  }

  @Test
  void gpuThatIsLateIsATimeout() {
    WaitTimeoutException late =
        catchThrowableOfType(WaitTimeoutException.class, () -> awaitIdle(SHORT));
    WaitTimeoutException.Facts facts = late.facts();
    assertThat(facts.rank()).isEqualTo(RANK);
    assertThat(facts.peer()).isEqualTo(WaitTimeoutException.Facts.UNKNOWN);
    assertThat(facts.phase()).isEqualTo("REPORT");
    assertThat(facts.expected()).isEqualTo(TICKET);
    assertThat(facts.seen()).isEqualTo(REPORTED);
    assertThat(facts.waitedNanos()).isGreaterThanOrEqualTo(SHORT.toNanos());
    assertThat(late)
        .hasMessageStartingWith(
            "GPU did not report in time: rank=2, phase=REPORT, expected=12, seen=10, waitedMs=");
    assertThat(stage.failure).isSameAs(late);
    assertThat(stage.reason).isEqualTo(late.getMessage());
    assertThat(stage.ticket).isEqualTo(TICKET);
  }

  /// The others are told what happened, not that this rank says it was aborted.
  @Test
  void kernelThatEndedWithoutAReportIsNoTimeout() {
    stage.gpuDone = true;
    AbortedException silent = awaitIdle(LONG).noReport(TICKET);
    assertThat(silent.origin()).isEqualTo(RANK);
    assertThat(stage.failure).isSameAs(silent);
    assertThat(stage.reason)
        .startsWith("GPU is done and did not report: rank=2, phase=REPORT, expected=12, seen=10");
    assertThat(silent).hasMessage("buffer was aborted: origin=2, reason=" + stage.reason);
    assertThat(stage.ticket).isEqualTo(TICKET);
    assertThat(stage.looks).as("looks at peers").isPositive();
  }

  @Test
  void gpuThatFailedSaysWhy() {
    stage.gpuFailure = new NativeCallException("libcuda.so.1", "cuStreamQuery", 700, "x");
    assertThat(catchThrowable(() -> awaitIdle(LONG))).isSameAs(stage.gpuFailure);
  }

  @Test
  void interruptIsNoTimeout() {
    Thread.currentThread().interrupt();
    Throwable thrown = catchThrowable(() -> awaitIdle(LONG));
    assertThat(Thread.interrupted()).as("interrupt status is kept").isTrue();
    assertThat(thrown)
        .isExactlyInstanceOf(CrossdockException.class)
        .hasMessage("interrupted while waiting for a peer: rank=2");
    assertThat(stage.reason).isEqualTo(thrown.getMessage());
  }
}
