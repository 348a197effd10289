package io.crossdock.core;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
class EventOverlapTest {
  private static final Duration LONG = Duration.ofSeconds(30);

  @Test
  void aCompletedEventWaitsForNothing() {
    assertThat(EventOverlap.COMPLETED.isDone()).isTrue();
    EventOverlap.COMPLETED.currentStreamWait();
    EventOverlap.COMPLETED.close();
  }

  @Test
  void theBoundOfAWaitIsToldWhenItIsReached() {
    EventOverlap never = new HostEvent(new CompletableFuture<>(), Duration.ofMillis(30));
    assertThatThrownBy(never::currentStreamWait)
        .isExactlyInstanceOf(WaitTimeoutException.class)
        .hasMessage("event was not reached: phase=EVENT, expected=1, seen=0, waitedMs=30");
    assertThat(never.isDone()).isFalse();
  }

  @Test
  void theEndOfATryBlockWaits() {
    CompletableFuture<Void> done = new CompletableFuture<>();
    try (EventOverlap event = new HostEvent(done, LONG)) {
      assertThat(event.isDone()).isFalse();
      Thread.ofVirtual().start(() -> done.complete(null));
    }
    assertThat(done).isDone();
  }

  @Test
  void exceptionsKeepTheirTypeAndCheckedOnesAreWrapped() {
    CrossdockException known = new InvalidInputException("bad");
    assertThatThrownBy(failed(known)::currentStreamWait).isSameAs(known);
    IOException checked = new IOException("worse");
    assertThatThrownBy(failed(checked)::currentStreamWait)
        .isInstanceOf(CrossdockException.class)
        .hasCause(checked);
  }

  @Test
  void anInterruptEndsTheWaitAndIsKept() {
    EventOverlap never = new HostEvent(new CompletableFuture<>(), LONG);
    Thread.currentThread().interrupt();
    assertThatThrownBy(never::currentStreamWait)
        .isInstanceOf(CrossdockException.class)
        .hasMessageContaining("interrupted");
    assertThat(Thread.interrupted()).isTrue();
  }

  private static EventOverlap failed(Throwable cause) {
    return new HostEvent(CompletableFuture.failedFuture(cause), LONG);
  }
}
