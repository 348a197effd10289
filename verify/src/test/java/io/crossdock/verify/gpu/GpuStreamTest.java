package io.crossdock.verify.gpu;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.catchThrowable;

import io.crossdock.core.CallOptions;
import io.crossdock.core.CallTimer;
import io.crossdock.core.CombineInput;
import io.crossdock.core.CombineOptions;
import io.crossdock.core.CombineResult;
import io.crossdock.core.DType;
import io.crossdock.core.DispatchInput;
import io.crossdock.core.DispatchOptions;
import io.crossdock.core.DispatchResult;
import io.crossdock.core.EpBuffer;
import io.crossdock.core.EventOverlap;
import io.crossdock.core.InvalidInputException;
import io.crossdock.core.Layout;
import io.crossdock.core.RefusedException;
import io.crossdock.core.Tensor;
import io.crossdock.core.routing.ReferenceDispatch;
import io.crossdock.cuda.CudaStream;
import io.crossdock.verify.harness.ExactCalls;
import io.crossdock.verify.harness.OnCuda;
import io.crossdock.verify.harness.RankThreads;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// Calls that are ordered on CUDA streams of the caller's instead of being waited for.
@OnCuda
class GpuStreamTest {
  private static final int ROUNDS = 25;
  private static final int BUSY_MIB = 256;
  private static final CombineOptions COMBINE = CombineOptions.DEFAULT.withConfig(GpuRank.COMBINE);

  /// What a rank does.
  @FunctionalInterface
  private interface Body {
    void run(GpuRank rank) throws Exception;
  }

  private static void onRanks(int numRanks, Body body) throws Exception {
    RankThreads.run(
        numRanks,
        group -> {
          try (GpuRank rank = GpuRank.open(group)) {
            body.run(rank);
          }
        });
  }

  /// Work that takes a while: whoever does not wait for the stream reads what was there before.
  private static final class Busy {
    private final GpuRank rank;
    private final Tensor from;
    private final Tensor to;

    Busy(GpuRank rank) {
      this.rank = rank;
      this.from = rank.tensor(DType.I32, BUSY_MIB, 1 << 18);
      this.to = rank.tensor(DType.I32, BUSY_MIB, 1 << 18);
    }

    void enqueue() {
      for (int i = 0; i < 4; i++) {
        rank.memory.copy(from, to);
      }
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 3})
  void callsComeBehindTheCurrentStream(int numRanks) throws Exception {
    onRanks(
        numRanks,
        rank -> {
          Busy busy = new Busy(rank);
          for (int seed = 0; seed < ROUNDS; seed++) {
            ExactCalls.Batch batch = rank.calls.batch(seed);
            try (CudaStream.Current _ = rank.stream.makeCurrent()) {
              busy.enqueue();
              oneRound(rank, batch, seed);
            }
          }
          rank.buffer.check();
        });
  }

  /// Nothing here waits on the host until the results are read.
  private static void oneRound(GpuRank rank, ExactCalls.Batch batch, long seed) {
    rank.memory.copy(batch.topkIdx(), rank.topkIdx);
    rank.memory.copy(batch.x(), rank.x);
    rank.memory.copy(batch.topkWeights(), rank.topkWeights);
    Layout layout = rank.buffer.layout(rank.topkIdx, rank.numExperts);
    try (DispatchResult got = rank.buffer.dispatch(rank.input(), layout, rank.sized())) {
      rank.memory.copy(got.recvX(), rank.y);
      CombineInput outputs =
          CombineInput.of(rank.y).withTopkWeights(got.recvTopkWeights().orElseThrow());
      CombineResult home = rank.buffer.combine(outputs, got.handle(), COMBINE);
      List<ReferenceDispatch> expected = rank.calls.expected(seed);
      rank.checkSums(seed, home.combinedX(), expected);
      rank.checkWeightSums(seed, home.combinedTopkWeights().orElseThrow());
      rank.checkRows(seed, got.recvX(), expected);
      rank.checkChoices(seed, got.recvTopkIdx(), got.recvTopkWeights());
    }
  }

  /// Fresh sizes are the one thing that the host waits for.
  @ParameterizedTest
  @ValueSource(ints = {1, 3})
  void freshSizesOnAStream(int numRanks) throws Exception {
    onRanks(
        numRanks,
        rank -> {
          try (CudaStream.Current _ = rank.stream.makeCurrent()) {
            for (int seed = 0; seed < ROUNDS; seed++) {
              rank.calls.run(seed);
            }
          }
        });
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 3})
  void eventsInsteadOfCurrentStreams(int numRanks) throws Exception {
    onRanks(
        numRanks,
        rank -> {
          Busy busy = new Busy(rank);
          for (int seed = 0; seed < ROUNDS; seed++) {
            boolean onComm = seed % 2 == 0;
            try (CudaStream.Current _ = rank.stream.makeCurrent()) {
              busy.enqueue();
              rank.load(seed);
              afterEvents(rank, seed, onComm);
            }
          }
          rank.buffer.check();
        });
  }

  private static CallOptions afterNow(boolean onCommStream) {
    CallOptions options = CallOptions.DEFAULT.after(EpBuffer.capture()).async();
    return onCommStream ? options.allocateOnCommStream() : options;
  }

  private static void afterEvents(GpuRank rank, long seed, boolean onComm) {
    Layout layout = rank.buffer.layout(rank.topkIdx, rank.numExperts);
    DispatchOptions options = rank.sized().withCall(afterNow(onComm));
    try (DispatchResult got = rank.buffer.dispatch(rank.input(), layout, options)) {
      got.event().currentStreamWait();
      rank.memory.copy(got.recvX(), rank.y);
      CombineInput outputs = CombineInput.of(rank.y);
      CombineResult home =
          rank.buffer.combine(outputs, got.handle(), COMBINE.withCall(afterNow(onComm)));
      List<ReferenceDispatch> expected = rank.calls.expected(seed);
      try (EventOverlap _ = home.event()) {
        rank.checkRows(seed, got.recvX(), expected);
      }
      rank.checkSums(seed, home.combinedX(), expected);
      rank.stream.synchronize(GpuRank.BOUND);
      assertThat(home.event().isDone()).as("combine is over").isTrue();
    }
  }

  @Test
  void anEventStandsForTheWorkBefore() throws Exception {
    onRanks(
        1,
        rank -> {
          assertThat(EpBuffer.capture().isDone()).as("a thread has nothing under way").isTrue();
          Busy busy = new Busy(rank);
          EventOverlap event;
          try (CudaStream.Current _ = rank.stream.makeCurrent()) {
            busy.enqueue();
            event = EpBuffer.capture();
          }
          event.currentStreamWait();
          assertThat(event.isDone()).isTrue();
          event.close();
          try (CudaStream other =
              CudaStream.wrap(rank.memory.device().index(), rank.stream.rawHandle())) {
            EventOverlap submitted = other.submit(busy::enqueue);
            submitted.currentStreamWait();
            assertThat(submitted.isDone()).isTrue();
          }
        });
  }

  @Test
  void aTimerMeasuresTheCurrentStream() throws Exception {
    onRanks(
        1,
        rank -> {
          Busy busy = new Busy(rank);
          try (CudaStream.Current _ = rank.stream.makeCurrent();
              CallTimer timer = rank.buffer.timer()) {
            busy.enqueue();
            rank.stream.synchronize(GpuRank.BOUND);
            timer.start();
            busy.enqueue();
            timer.stop();
            // 1 GiB is copied: no GPU does that in 50 us.
            assertThat(timer.micros()).isBetween(50.0, 1e6);
            for (String time : List.of("first", "second")) {
              assertThatCode(timer::close).as("%s close", time).doesNotThrowAnyException();
            }
          }
        });
  }

  /// Results of many calls of two buffers, looked at when all were made.
  @ParameterizedTest
  @ValueSource(ints = {1, 3})
  void twoBuffersOnTwoStreams(int numRanks) throws Exception {
    RankThreads.run(
        numRanks,
        group -> {
          try (GpuRank left = GpuRank.open(group);
              GpuRank right = GpuRank.open(group)) {
            List<Runnable> checks = new ArrayList<>();
            for (int seed = 0; seed < ROUNDS; seed++) {
              checks.add(enqueue(left, seed));
              checks.add(enqueue(right, 100 + seed));
            }
            checks.forEach(Runnable::run);
            left.buffer.check();
            right.buffer.check();
          }
        });
  }

  private static Runnable enqueue(GpuRank rank, long seed) {
    ExactCalls.Batch batch = rank.calls.batch(seed);
    try (CudaStream.Current _ = rank.stream.makeCurrent()) {
      Layout layout = rank.buffer.layout(batch.topkIdx(), rank.numExperts);
      DispatchResult got = rank.buffer.dispatch(batch.input(), layout, rank.sizedAndOwned());
      CombineResult home = rank.buffer.combine(CombineInput.of(got.recvX()), got.handle(), COMBINE);
      return () -> {
        rank.stream.synchronize(GpuRank.BOUND);
        List<ReferenceDispatch> expected = rank.calls.expected(seed);
        rank.checkRows(seed, got.recvX(), expected);
        rank.checkSums(seed, home.combinedX(), expected);
        got.close();
      };
    }
  }

  /// Nobody waits for such a call, so the check tells; the next call is exact.
  @ParameterizedTest
  @ValueSource(ints = {1, 3})
  void aFailureIsToldLater(int numRanks) throws Exception {
    onRanks(
        numRanks,
        rank -> {
          Layout layout = rank.buffer.layout(rank.topkIdx, rank.numExperts);
          DispatchInput input = rank.rank == 0 ? badChoice(rank) : rank.input();
          try (CudaStream.Current _ = rank.stream.makeCurrent()) {
            rank.buffer.dispatch(input, layout, rank.sized()).close();
            rank.stream.synchronize(GpuRank.BOUND);
            assertThat(catchThrowable(rank.buffer::check))
                .isExactlyInstanceOf(
                    rank.rank == 0 ? InvalidInputException.class : RefusedException.class)
                .hasMessageContaining("expert=99");
            rank.buffer.check();
          }
          rank.calls.run(5);
        });
  }

  private static DispatchInput badChoice(GpuRank rank) {
    Tensor ids = rank.memory.toHost(rank.topkIdx);
    ids.segment().set(ValueLayout.JAVA_LONG, 0, 99);
    return rank.input().withTopkIdx(rank.memory.toDevice(ids));
  }
}
