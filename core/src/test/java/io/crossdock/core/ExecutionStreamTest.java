package io.crossdock.core;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
class ExecutionStreamTest {
  private static final int MANY = 500;

  @Test
  void workRunsInTheOrderOfSubmissionOnOneThread() {
    List<Integer> order = new ArrayList<>();
    List<Thread> threads = new ArrayList<>();
    try (ExecutionStream stream = ExecutionStream.create("order")) {
      for (int i = 0; i < MANY; i++) {
        int number = i;
        stream.submit(() -> {
          order.add(number);
          threads.add(Thread.currentThread());
        });
      }
      stream.capture().currentStreamWait();
    }
    assertThat(order).isEqualTo(IntStream.range(0, MANY).boxed().toList());
    assertThat(threads).containsOnly(threads.getFirst()).doesNotContain(Thread.currentThread());
    assertThat(threads.getFirst().isDaemon()).isTrue();
    assertThat(threads.getFirst().getName()).isEqualTo("crossdock-order");
  }

  @Test
  void anEventIsNotDoneBeforeTheWorkBeforeIt() {
    CountDownLatch gate = new CountDownLatch(1);
    try (HostStream stream = new HostStream("gate")) {
      EventOverlap first = stream.submit(() -> await(gate));
      EventOverlap captured = stream.capture();
      assertThat(first.isDone()).isFalse();
      assertThat(captured.isDone()).isFalse();
      assertThat(stream.isIdle()).isFalse();
      gate.countDown();
      captured.currentStreamWait();
      assertThat(first.isDone()).isTrue();
    }
  }

  @Test
  void anIdleStreamCapturesACompletedEvent() {
    try (HostStream stream = new HostStream("idle")) {
      assertThat(stream.isIdle()).isTrue();
      assertThat(stream.capture()).isSameAs(EventOverlap.COMPLETED);
    }
  }

  @Test
  void currentIsTheStreamOfTheRunningWork() {
    List<ExecutionStream> seen = Collections.synchronizedList(new ArrayList<>());
    try (ExecutionStream stream = ExecutionStream.create("current")) {
      stream.submit(() -> ExecutionStream.current().ifPresent(seen::add)).currentStreamWait();
      assertThat(seen).containsExactly(stream);
      assertThat(ExecutionStream.current()).isEmpty();
    }
  }

  @Test
  void captureInsideWorkIsBehindThatWork() {
    CountDownLatch gate = new CountDownLatch(1);
    List<EventOverlap> events = Collections.synchronizedList(new ArrayList<>());
    CountDownLatch captured = new CountDownLatch(1);
    try (ExecutionStream stream = ExecutionStream.create("inside")) {
      stream.submit(() -> {
        events.add(EpBuffer.capture());
        captured.countDown();
        await(gate);
      });
      await(captured);
      assertThat(events.getFirst().isDone()).isFalse();
      gate.countDown();
      events.getFirst().currentStreamWait();
    }
    assertThat(EpBuffer.capture()).isSameAs(EventOverlap.COMPLETED);
  }

  @Test
  void whatWorkThrowsComesOutOfItsEventAndTheStreamGoesOn() {
    IllegalStateException failure = new IllegalStateException("on purpose");
    AssertionError error = new AssertionError("on purpose");
    AtomicInteger ran = new AtomicInteger();
    try (HostStream stream = new HostStream("failing")) {
      EventOverlap bad = stream.submit(() -> fail(failure));
      EventOverlap worse = stream.submit(() -> failHard(error));
      EventOverlap good = stream.submit(ran::incrementAndGet);
      good.currentStreamWait();
      assertThat(bad.isDone()).isTrue();
      assertThatThrownBy(bad::currentStreamWait).isSameAs(failure);
      assertThatThrownBy(bad::close).isInstanceOf(CrossdockException.class).hasCause(failure);
      assertThatThrownBy(worse::close).isSameAs(error);
      assertThat(stream.isIdle()).isTrue();
    }
    assertThat(ran).hasValue(1);
  }

  @Test
  void workThatInterruptsItsThreadDoesNotStopTheStream() {
    AtomicInteger ran = new AtomicInteger();
    try (ExecutionStream stream = ExecutionStream.create("interrupted")) {
      stream.submit(() -> Thread.currentThread().interrupt()).currentStreamWait();
      stream.submit(ran::incrementAndGet).currentStreamWait();
    }
    assertThat(ran).hasValue(1);
  }

  @Test
  void closeDrainsTheWorkSubmittedBefore() {
    CountDownLatch gate = new CountDownLatch(1);
    AtomicInteger ran = new AtomicInteger();
    HostStream stream = new HostStream("drain");
    stream.submit(() -> await(gate));
    for (int i = 0; i < MANY; i++) {
      stream.submit(ran::incrementAndGet);
    }
    gate.countDown();
    stream.close();
    assertThat(ran).hasValue(MANY);
    assertThat(stream.isIdle()).isTrue();
  }

  @Test
  void aClosedStreamRefusesWork() {
    ExecutionStream stream = ExecutionStream.create("over");
    stream.submit(() -> {});
    stream.close();
    stream.close();
    assertThatThrownBy(() -> stream.submit(() -> {}))
        .isInstanceOf(BufferClosedException.class)
        .hasMessageContaining("name=over");
    ExecutionStream unused = ExecutionStream.create("unused");
    unused.close();
    assertThatThrownBy(() -> unused.submit(() -> {})).isInstanceOf(BufferClosedException.class);
  }

  @Test
  void workMayCloseItsOwnStream() {
    ExecutionStream stream = ExecutionStream.create("self");
    stream.submit(stream::close).currentStreamWait();
    assertThatThrownBy(() -> stream.submit(() -> {})).isInstanceOf(BufferClosedException.class);
  }

  @Test
  void aFullStreamSaysSo() {
    CountDownLatch gate = new CountDownLatch(1);
    CountDownLatch started = new CountDownLatch(1);
    AtomicInteger ran = new AtomicInteger();
    try (ExecutionStream stream = ExecutionStream.create("full")) {
      stream.submit(() -> {
        started.countDown();
        await(gate);
      });
      await(started);
      EventOverlap last = EventOverlap.COMPLETED;
      for (int i = 0; i < 1024; i++) {
        last = stream.submit(ran::incrementAndGet);
      }
      assertThatThrownBy(() -> stream.submit(ran::incrementAndGet))
          .isInstanceOf(CrossdockException.class)
          .hasMessageContaining("stream is full: name=full, pending=1024");
      gate.countDown();
      last.currentStreamWait();
      stream.submit(ran::incrementAndGet).currentStreamWait();
    }
    assertThat(ran).hasValue(1025);
  }

  @Test
  void aWaitingStreamIsOrderedBehindTheEventOfAnother() {
    CountDownLatch gate = new CountDownLatch(1);
    List<String> order = Collections.synchronizedList(new ArrayList<>());
    try (ExecutionStream first = ExecutionStream.create("first");
        ExecutionStream second = ExecutionStream.create("second")) {
      EventOverlap event =
          first.submit(() -> {
            await(gate);
            order.add("first");
          });
      EventOverlap done =
          second.submit(() -> {
            event.currentStreamWait();
            order.add("second");
          });
      assertThat(done.isDone()).isFalse();
      gate.countDown();
      done.currentStreamWait();
    }
    assertThat(order).containsExactly("first", "second");
  }

  @Test
  void executeRunsOnTheCallingThreadBehindWhatWasSubmitted() {
    List<String> order = Collections.synchronizedList(new ArrayList<>());
    CountDownLatch gate = new CountDownLatch(1);
    try (ExecutionStream stream = ExecutionStream.create("execute")) {
      stream.submit(() -> {
        await(gate);
        order.add("submitted");
      });
      stream.follow();
      Thread.ofVirtual().start(gate::countDown);
      stream.execute(() -> order.add(Thread.currentThread().getName()));
      assertThatThrownBy(() -> stream.execute(() -> fail(new IllegalStateException("on purpose"))))
          .isInstanceOf(IllegalStateException.class);
    }
    assertThat(order).containsExactly("submitted", Thread.currentThread().getName());
  }

  @Test
  void workOfAStreamDoesNotWaitForItself() {
    AtomicInteger ran = new AtomicInteger();
    try (ExecutionStream stream = ExecutionStream.create("inner")) {
      stream.submit(() -> {
        stream.awaitSubmitted();
        stream.execute(ran::incrementAndGet);
      });
      stream.awaitSubmitted();
      assertThat(ran).hasValue(1);
    }
  }

  /// A stream as an engine makes one.
  private static final class InlineStream extends ExecutionStream {
    @Override
    public EventOverlap submit(Runnable work) {
      execute(work);
      return EventOverlap.COMPLETED;
    }

    @Override
    public EventOverlap capture() {
      return EventOverlap.COMPLETED;
    }

    @Override
    public void follow() {}

    @Override
    public void execute(Runnable work) {
      runWithCurrent(this, work);
    }

    @Override
    public void awaitSubmitted() {}

    @Override
    public void close() {}
  }

  @Test
  void aStreamOfAnEngineIsCurrentWhileItsWorkRuns() {
    ExecutionStream outer = new InlineStream();
    ExecutionStream inner = new InlineStream();
    List<Object> seen = new ArrayList<>();
    outer.execute(() -> {
      inner.submit(() -> seen.add(ExecutionStream.current().orElseThrow()));
      seen.add(ExecutionStream.current().orElseThrow());
    });
    assertThat(seen).containsExactly(inner, outer);
    assertThatThrownBy(() -> outer.execute(() -> fail(new IllegalStateException("on purpose"))))
        .isInstanceOf(IllegalStateException.class);
    assertThat(ExecutionStream.current()).isEmpty();
  }

  private static void fail(RuntimeException failure) {
    throw failure;
  }

  private static void failHard(Error failure) {
    throw failure;
  }

  private static void await(CountDownLatch latch) {
    try {
      if (!latch.await(30, TimeUnit.SECONDS)) {
        throw new AssertionError("latch was not released");
      }
    } catch (InterruptedException e) {
      throw new AssertionError(e);
    }
  }
}
