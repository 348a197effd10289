package io.crossdock.verify.watch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;

import io.crossdock.core.BufferSpec;
import io.crossdock.core.CallStats;
import io.crossdock.core.DType;
import io.crossdock.core.DispatchInput;
import io.crossdock.core.DispatchOptions;
import io.crossdock.core.DispatchResult;
import io.crossdock.core.Engines;
import io.crossdock.core.EpBuffer;
import io.crossdock.core.InvalidInputException;
import io.crossdock.core.Layout;
import io.crossdock.core.LowLatencyDispatchOptions;
import io.crossdock.core.Mode;
import io.crossdock.core.RefusedException;
import io.crossdock.core.Tensor;
import io.crossdock.core.WaitTimeoutException;
import io.crossdock.core.group.ProcessGroup;
import io.crossdock.verify.harness.ExactCalls;
import io.crossdock.verify.harness.RankBody;
import io.crossdock.verify.harness.RankThreads;
import java.lang.foreign.Arena;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.locks.LockSupport;
import jdk.jfr.Recording;
import jdk.jfr.consumer.RecordedEvent;
import jdk.jfr.consumer.RecordingFile;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/// What the flight recorder keeps of calls on the host engine.
@Timeout(120)
class CallEventsTest {
  private static final int RANKS = 3;
  private static final int SLOW = 1;
  private static final String DISPATCH = "io.crossdock.Dispatch";
  private static final String COMBINE = "io.crossdock.Combine";
  private static final Duration LATE = Duration.ofSeconds(2);

  @TempDir private Path folder;

  private static EpBuffer open(ProcessGroup group, Duration timeout) {
    return open(group, Mode.NORMAL, timeout);
  }

  private static EpBuffer open(ProcessGroup group, Mode mode, Duration timeout) {
    BufferSpec spec =
        BufferSpec.builder()
            .mode(mode)
            .numMaxTokensPerRank(8)
            .hidden(256)
            .topk(3)
            .numExperts(12)
            .hostTimeout(timeout)
            .build();
    return EpBuffer.open(Engines.open("host"), spec, group);
  }

  private List<RecordedEvent> record(String name, RankBody body) throws Exception {
    try (Recording recording = new Recording()) {
      recording.enable(name);
      recording.disable(name.equals(COMBINE) ? DISPATCH : COMBINE);
      recording.start();
      RankThreads.run(RANKS, body);
      recording.stop();
      Path file = folder.resolve("calls.jfr");
      recording.dump(file);
      return RecordingFile.readAllEvents(file);
    }
  }

  private static void calls(ProcessGroup group) {
    try (EpBuffer buffer = open(group, Duration.ofSeconds(20))) {
      new ExactCalls(buffer).run(5);
    }
  }

  @Test
  void eachDispatchIsOneEventWithWhatItDid() throws Exception {
    CallStats[] stats = new CallStats[RANKS];
    long[] rows = new long[RANKS];
    List<RecordedEvent> events =
        record(
            DISPATCH,
            group -> {
              try (EpBuffer buffer = open(group, Duration.ofSeconds(20));
                  DispatchResult got = new ExactCalls(buffer).dispatch(5)) {
                stats[group.rank()] = buffer.lastCall();
                rows[group.rank()] = got.numRecvTokens();
              }
            });
    assertThat(events).hasSize(RANKS);
    assertThat(events).extracting(event -> event.getInt("rank")).containsExactlyInAnyOrder(0, 1, 2);
    for (RecordedEvent event : events) {
      int rank = event.getInt("rank");
      assertThat(event.getEventType().getName()).isEqualTo(DISPATCH);
      assertThat(event.getString("mode")).isEqualTo("normal");
      assertThat(event.getString("engine")).isEqualTo("host");
      assertThat(event.getInt("ranks")).isEqualTo(RANKS);
      assertThat(event.getLong("rows")).isEqualTo(rows[rank]).isPositive();
      assertThat(event.getLong("bytesRead")).isEqualTo(stats[rank].bytesRead()).isPositive();
      assertThat(event.getLong("bytesWritten")).isEqualTo(stats[rank].bytesWritten());
      assertThat(event.getLong("wireBytes")).isEqualTo(stats[rank].wireBytes());
      assertThat(event.getString("waits")).matches("0=\\d+,1=\\d+,2=\\d+");
      assertThat(event.getString("outcome")).isEmpty();
      assertThat(event.getDuration()).isPositive();
    }
  }

  @Test
  void combinesAreEventsToo() throws Exception {
    List<RecordedEvent> events = record(COMBINE, CallEventsTest::calls);
    assertThat(events).hasSize(RANKS);
    assertThat(events)
        .allSatisfy(event -> {
          assertThat(event.getEventType().getName()).isEqualTo(COMBINE);
          assertThat(event.getLong("rows")).isBetween(4L, 8L);
        });
  }

  @Test
  void whoComesLateIsNamedByThePeers() throws Exception {
    List<RecordedEvent> events =
        record(
            DISPATCH,
            group -> {
              try (EpBuffer buffer = open(group, Duration.ofSeconds(20))) {
                group.barrier();
                if (group.rank() == SLOW) {
                  comeLate();
                }
                new ExactCalls(buffer).dispatch(5).close();
              }
            });
    assertThat(events)
        .filteredOn(event -> event.getInt("rank") != SLOW)
        .hasSize(RANKS - 1)
        .allSatisfy(event -> {
          assertThat(event.getInt("slowestPeer")).isEqualTo(SLOW);
          assertThat(event.getDuration("longestWait")).isGreaterThan(LATE.dividedBy(2));
        });
  }

  private static void comeLate() {
    long end = System.nanoTime() + LATE.toNanos();
    while (System.nanoTime() < end) {
      LockSupport.parkNanos(end - System.nanoTime());
    }
  }

  @Test
  void aFailureIsTheOutcome() throws Exception {
    List<RecordedEvent> events =
        record(
            DISPATCH,
            group -> {
              try (EpBuffer buffer = open(group, Duration.ofSeconds(2))) {
                if (group.rank() == 0) {
                  assertThat(catchThrowable(() -> new ExactCalls(buffer).dispatch(5)))
                      .isInstanceOf(WaitTimeoutException.class);
                }
                group.barrier();
              }
            });
    assertThat(events).hasSize(1);
    assertThat(events.getFirst().getString("outcome")).contains("rank=0, peer=1");
    assertThat(events.getFirst().getInt("slowestPeer")).isEqualTo(1);
  }

  /// The rank whose call is wrong has an event as its peers have, whatever the mode.
  @ParameterizedTest
  @EnumSource(Mode.class)
  void aCallThatThisRankRefusesIsAnEventToo(Mode mode) throws Exception {
    List<RecordedEvent> events =
        record(
            DISPATCH,
            group -> {
              try (EpBuffer buffer = open(group, mode, Duration.ofSeconds(20))) {
                int hidden = buffer.spec().hidden() - (group.rank() == SLOW ? 8 : 0);
                Class<?> wanted =
                    group.rank() == SLOW ? InvalidInputException.class : RefusedException.class;
                assertThat(catchThrowable(() -> dispatchRow(buffer, hidden))).isInstanceOf(wanted);
              }
            });
    assertThat(events).hasSize(RANKS);
    for (RecordedEvent event : events) {
      boolean own = event.getInt("rank") == SLOW;
      String name = mode.name().toLowerCase(Locale.ROOT).replace('_', '-');
      assertThat(event.getString("mode")).isEqualTo(name);
      assertThat(event.getString("outcome")).contains(own ? "shape=[1, 248]" : "peer=" + SLOW);
      assertThat(event.getLong("rows")).isZero();
    }
    assertThat(events)
        .filteredOn(event -> event.getInt("rank") == SLOW)
        .allSatisfy(event -> {
          assertThat(event.getString("waits")).isEmpty();
          assertThat(event.getInt("slowestPeer")).isEqualTo(-1);
          assertThat(event.getLong("bytesWritten")).isZero();
        });
  }

  private static void dispatchRow(EpBuffer buffer, int hidden) {
    try (Arena arena = Arena.ofShared()) {
      Tensor x = Tensor.allocate(arena, DType.BF16, 1, hidden);
      Tensor ids = Tensor.allocate(arena, DType.I64, 1, 1);
      if (buffer.spec().mode() == Mode.LOW_LATENCY) {
        buffer.lowLatencyDispatch(x, ids, 1, 12, LowLatencyDispatchOptions.DEFAULT).close();
      } else {
        Layout layout = buffer.layout(ids, 12);
        buffer
            .dispatch(DispatchInput.rows(x).withTopkIdx(ids), layout, DispatchOptions.DEFAULT)
            .close();
      }
    }
  }

  @Test
  void whatIsOffIsNotRecorded() throws Exception {
    assertThat(
            record(
                COMBINE,
                group -> {
                  try (EpBuffer buffer = open(group, Duration.ofSeconds(20))) {
                    new ExactCalls(buffer).dispatch(5).close();
                  }
                }))
        .isEmpty();
  }
}
