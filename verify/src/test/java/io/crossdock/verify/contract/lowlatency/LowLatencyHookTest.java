package io.crossdock.verify.contract.lowlatency;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.crossdock.core.BufferClosedException;
import io.crossdock.core.CombineFormat;
import io.crossdock.core.EngineMemory;
import io.crossdock.core.EpBuffer;
import io.crossdock.core.LowLatencyCompletion;
import io.crossdock.core.LowLatencyDispatchResult;
import io.crossdock.core.LowLatencyFormat;
import io.crossdock.core.RecvHook;
import io.crossdock.core.Tensor;
import io.crossdock.core.group.ProcessGroup;
import io.crossdock.verify.contract.lowlatency.LowLatencyCase.CombineChoice;
import io.crossdock.verify.contract.lowlatency.LowLatencyCase.DispatchChoice;
import io.crossdock.verify.contract.lowlatency.LowLatencyCase.Experts;
import io.crossdock.verify.contract.lowlatency.LowLatencyCase.Place;
import io.crossdock.verify.contract.lowlatency.LowLatencyCase.Routing;
import io.crossdock.verify.contract.lowlatency.LowLatencyCase.Sizes;
import io.crossdock.verify.contract.lowlatency.LowLatencyCase.Style;
import io.crossdock.verify.contract.lowlatency.LowLatencyCase.Values;
import io.crossdock.verify.contract.lowlatency.LowLatencyRun.Combined;
import io.crossdock.verify.contract.lowlatency.LowLatencyRun.Dispatched;
import io.crossdock.verify.harness.Bounded;
import io.crossdock.verify.harness.EngineUnderTest;
import io.crossdock.verify.harness.RankThreads;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.management.ManagementFactory;
import java.lang.management.ThreadMXBean;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.Deque;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.function.Predicate;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/// What a receive hook promises: the send half waits for nobody, and until the hook runs nothing
/// works for the receive.
class LowLatencyHookTest {
  private static final int RANKS = 2;
  private static final int WORKERS = 4;
  private static final Duration PATIENCE = Duration.ofSeconds(20);

  /// Equal ones, one after the other, of threads at rest.
  private static final int READINGS = 20;

  private static final long COMPUTE_NANOS = 100_000_000;
  private static final Predicate<Thread> NOT_NETWORK =
      thread -> !thread.getName().startsWith("crossdock-net-");
  private static final byte CANARY = 0x55;
  private static final LowLatencyCompletion HOOK = LowLatencyCompletion.RECV_HOOK;
  private static final ThreadMXBean THREADS = ManagementFactory.getThreadMXBean();

  private static LowLatencyExpected plain(long seed, LowLatencyFormat format) {
    return LowLatencyExpected.of(
        new LowLatencyCase(
            seed,
            new Sizes(List.of(64, 40), 64, 0, 1024, 8, 4),
            Routing.UNIFORM,
            Values.NORMAL,
            new DispatchChoice(format, HOOK, false, false, false, WORKERS),
            new CombineChoice(
                CombineFormat.BF16, HOOK, Place.TENSOR, true, false, false, false, Experts.SCALED),
            new Style(true, false)));
  }

  @ParameterizedTest
  @EnumSource(
      value = LowLatencyFormat.class,
      names = {"BF16", "FP8"})
  void nothingWorksBetweenTheHalves(LowLatencyFormat format) throws Exception {
    LowLatencyExpected expected = plain(1, format);
    RankThreads.run(
        RANKS,
        group -> {
          try (Arena arena = Arena.ofShared();
              EpBuffer buffer =
                  EpBuffer.open(EngineUnderTest.open(), expected.test().spec(), group)) {
            LowLatencyRun run = new LowLatencyRun(expected, buffer, arena);
            run.once();
            Dispatched dispatched = run.dispatch();
            List<Tensor> outputs = outputs(dispatched.result());
            outputs.forEach(tensor -> fill(buffer.memory(), tensor));
            between(group);
            outputs.forEach(tensor -> checkUntouched(buffer.memory(), tensor));
            LowLatencyReceived received = run.finish(dispatched);
            Combined combined = run.combine(dispatched, received);
            fill(buffer.memory(), combined.out());
            between(group);
            checkUntouched(buffer.memory(), combined.out());
            run.finish(combined);
            dispatched.result().close();
          }
        });
  }

  private static List<Tensor> outputs(LowLatencyDispatchResult result) {
    return List.of(
        result.recvX(),
        result.recvCount(),
        result.handle().srcInfo(),
        result.handle().layoutRange());
  }

  /// What is on its way when the send half returned may still write, so this comes before the peers
  /// are told that it returned.
  private static void fill(EngineMemory memory, Tensor tensor) {
    Tensor canary = Tensor.allocate(Arena.ofAuto(), tensor.dtype(), tensor.shape());
    canary.segment().fill(CANARY);
    memory.copy(canary, tensor);
  }

  private static void checkUntouched(EngineMemory memory, Tensor tensor) {
    Tensor host = memory.toHost(tensor);
    Tensor canary = Tensor.allocate(Arena.ofAuto(), host.dtype(), host.shape());
    canary.segment().fill(CANARY);
    long bytes = host.spanBytes();
    long at = MemorySegment.mismatch(host.segment(), 0, bytes, canary.segment(), 0, bytes);
    assertThat(at).as("first byte of %s written before the hook ran", tensor).isEqualTo(-1);
  }

  /// All send halves are over. Rank 0 computes for a while and watches the threads of all ranks.
  private static void between(ProcessGroup group) {
    group.barrier();
    if (group.rank() == 0) {
      List<Thread> ours = ourThreads(NOT_NETWORK);
      Map<String, Long> before = cpuNanosAtRest(ours);
      compute(
          () -> assertThat(ours).noneMatch(thread -> thread.getState() == Thread.State.RUNNABLE));
      assertThat(cpuNanos(ours)).as("CPU time between the halves").isEqualTo(before);
      assertThat(ourThreads(NOT_NETWORK)).as("threads").isEqualTo(ours);
      Bounded.await("threads of networks are idle", PATIENCE, LowLatencyHookTest::networkRests);
    }
    group.barrier();
  }

  private static void compute(Runnable watch) {
    long end = THREADS.getCurrentThreadCpuTime() + COMPUTE_NANOS;
    while (THREADS.getCurrentThreadCpuTime() < end) {
      watch.run();
    }
  }

  /// Those that take in what a network leaves to its target have little to do once all is here.
  ///
  /// @return false if they worked for more than a small part of the time
  private static boolean networkRests() {
    List<Thread> network = ourThreads(NOT_NETWORK.negate());
    if (network.isEmpty()) {
      return true;
    }
    long before = sum(cpuNanos(network));
    compute(Thread::onSpinWait);
    return sum(cpuNanos(network)) - before < COMPUTE_NANOS / 4;
  }

  private static long sum(Map<String, Long> nanos) {
    return nanos.values().stream().mapToLong(Long::longValue).sum();
  }

  private static List<Thread> ourThreads(Predicate<Thread> which) {
    List<Thread> ours = new ArrayList<>(Thread.getAllStackTraces().keySet());
    ours.removeIf(thread -> !thread.getName().startsWith("crossdock-"));
    ours.removeIf(which.negate());
    ours.sort(Comparator.comparingLong(Thread::threadId));
    return ours;
  }

  private static boolean areIdle(List<Thread> threads) {
    return threads.stream().noneMatch(thread -> thread.getState() == Thread.State.RUNNABLE);
  }

  /// A thread that is about to wait says so before its CPU time stands still.
  private static Map<String, Long> cpuNanosAtRest(List<Thread> threads) {
    Deque<Map<String, Long>> readings = new ArrayDeque<>();
    Bounded.await(
        "threads are idle",
        PATIENCE,
        () -> {
          Map<String, Long> now = cpuNanos(threads);
          if (!areIdle(threads) || !now.equals(readings.peek())) {
            readings.clear();
          }
          readings.push(now);
          return readings.size() == READINGS;
        });
    return readings.peek();
  }

  private static Map<String, Long> cpuNanos(List<Thread> threads) {
    Map<String, Long> nanos = new TreeMap<>();
    threads.forEach(thread ->
        nanos.put(
            thread.getName() + "#" + thread.threadId(),
            THREADS.getThreadCpuTime(thread.threadId())));
    return nanos;
  }

  /// Two send halves in a row, twice, while the peer enters neither: it is held back until they
  /// returned.
  @Test
  void sendHalvesReturnBeforeThePeerEnters() throws Exception {
    LowLatencyExpected left = plain(2, LowLatencyFormat.FP8);
    LowLatencyExpected right = plain(3, LowLatencyFormat.BF16);
    CountDownLatch dispatchesSent = new CountDownLatch(1);
    CountDownLatch combinesSent = new CountDownLatch(1);
    RankThreads.run(
        RANKS,
        group -> {
          try (Arena arena = Arena.ofShared();
              EpBuffer buffer = EpBuffer.open(EngineUnderTest.open(), left.test().spec(), group)) {
            LowLatencyRun a = new LowLatencyRun(left, buffer, arena);
            LowLatencyRun b = new LowLatencyRun(right, buffer, arena);
            await(group, dispatchesSent);
            Dispatched first = a.dispatch();
            Dispatched second = b.dispatch();
            dispatchesSent.countDown();
            LowLatencyReceived firstRows = a.finish(first);
            LowLatencyReceived secondRows = b.finish(second);
            await(group, combinesSent);
            Combined firstSums = a.combine(first, firstRows);
            Combined secondSums = b.combine(second, secondRows);
            combinesSent.countDown();
            a.finish(firstSums);
            b.finish(secondSums);
            first.result().close();
            second.result().close();
          }
        });
  }

  /// All but rank 0 wait until it counted down.
  private static void await(ProcessGroup group, CountDownLatch latch) throws InterruptedException {
    if (group.rank() > 0) {
      boolean came = latch.await(PATIENCE.toSeconds(), TimeUnit.SECONDS);
      assertThat(came).as("send halves returned without the peer").isTrue();
    }
  }

  @Test
  void aHookOfAClosedBufferSaysSo() throws Exception {
    LowLatencyExpected expected = plain(4, LowLatencyFormat.FP8);
    RankThreads.run(
        RANKS,
        group -> {
          try (Arena arena = Arena.ofShared()) {
            Dispatched dispatched;
            try (EpBuffer buffer =
                EpBuffer.open(EngineUnderTest.open(), expected.test().spec(), group)) {
              dispatched = new LowLatencyRun(expected, buffer, arena).dispatch();
            }
            RecvHook hook = dispatched.result().recvHook().orElseThrow();
            assertThatThrownBy(hook::run).isInstanceOf(BufferClosedException.class);
            dispatched.result().close();
          }
        });
  }
}
