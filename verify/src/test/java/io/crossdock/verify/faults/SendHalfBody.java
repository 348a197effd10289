package io.crossdock.verify.faults;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;

import io.crossdock.core.BufferSpec;
import io.crossdock.core.LowLatencyCombineOptions;
import io.crossdock.core.LowLatencyCombineResult;
import io.crossdock.core.LowLatencyDispatchOptions;
import io.crossdock.core.LowLatencyDispatchResult;
import io.crossdock.core.MaskedException;
import io.crossdock.core.group.ProcessGroup;
import io.crossdock.ffi.LibC;
import io.crossdock.verify.harness.Bounded;
import io.crossdock.verify.harness.RankBody;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Supplier;

/// The victim stands still at a random moment while it sends large rows, or expert outputs, and
/// goes on with the rest of them when the others gave it up and make further calls. All bytes that
/// the others get are compared, and so are those of a result from before.
public final class SendHalfBody implements RankBody {
  private static final int WATCHER = 1;
  private static final int HIDDEN = 1 << 20;
  private static final int MEASURED = 6;
  private static final int AFTERWARDS = 6;

  /// More than the two calls in which the others miss the victim.
  private static final int CALLS = 4;

  /// So many stops do not all miss.
  private static final int MANY = 10;

  private static final LowLatencyDispatchOptions HOOKED = ElasticCalls.BF16.hooked();
  private static final LowLatencyCombineOptions HOOKED_COMBINE =
      LowLatencyCombineOptions.DEFAULT.hooked();
  private static final Duration BOUND = Duration.ofSeconds(30);

  private final int victim;
  private final int times;
  private final Duration timeout;
  private final long randomSeed;
  private ElasticRank rank;
  private long victimPid;
  private final long[] sendNanos = {Long.MAX_VALUE, Long.MAX_VALUE};
  private int numInside;

  /// @param arguments victim's rank, times, time-out in milliseconds, seed
  public SendHalfBody(List<String> arguments) {
    victim = Integer.parseInt(arguments.get(0));
    times = Integer.parseInt(arguments.get(1));
    timeout = Duration.ofMillis(Long.parseLong(arguments.get(2)));
    randomSeed = Long.parseLong(arguments.get(3));
  }

  @Override
  public void run(ProcessGroup group) throws Exception {
    byte[] pid = ByteBuffer.allocate(8).putLong(ProcessHandle.current().pid()).array();
    victimPid = ByteBuffer.wrap(group.allGather(pid)[victim]).getLong();
    BufferSpec spec =
        ElasticRank.spec(group.size(), timeout)
            .numMaxTokensPerRank(1)
            .hidden(HIDDEN)
            .numExperts(group.size())
            .build();
    try (ElasticRank opened = ElasticRank.open(group, spec)) {
      rank = opened;
      for (int call = 0; call < MEASURED; call++) {
        measure(call);
      }
      for (int round = 0; round < times; round++) {
        // In shared memory: rank 0 hosts the group, and could stop before its answer to a barrier
        // left.
        rank.buffer().cleanLowLatencyBuffer();
        play(round);
      }
      if (isVictim()) {
        System.out.println("stopped inside a send half: times=" + numInside + " of " + times);
        assertThat(numInside)
            .as("stops inside a send half, seed=%d", randomSeed)
            .isGreaterThanOrEqualTo(times < MANY ? 0 : 1);
      }
    }
  }

  private boolean isVictim() {
    return rank.rank() == victim;
  }

  private void measure(long seed) {
    try (LowLatencyDispatchResult got = timed(rank.calls().prepareDispatch(seed, HOOKED), 0)) {
      got.recvHook().orElseThrow().run();
      rank.calls().check(seed, got);
      LowLatencyCombineResult sums =
          timed(rank.calls().prepareCombine(seed, got, HOOKED_COMBINE), 1);
      sums.recvHook().orElseThrow().run();
      rank.calls().checkSums(seed, sums);
    }
  }

  /// Runs a send half and keeps the shortest time of its kind.
  private <T> T timed(Supplier<T> sendHalf, int kind) {
    long start = System.nanoTime();
    T result = sendHalf.get();
    sendNanos[kind] = Math.min(sendNanos[kind], System.nanoTime() - start);
    return result;
  }

  private void play(int round) throws Exception {
    long seed = 1000L * (round + 1);
    if (isVictim()) {
      stopInside(seed, round);
    } else {
      goOn(seed, round);
    }
    rank.buffer().cleanMask();
    rank.expectMasked();
    rank.calls().run(seed + 500, 2);
  }

  private void stopInside(long seed, int round) throws Exception {
    Throwable thrown = catchThrowable(() -> callAndStop(seed, round));
    for (int call = 1; call < CALLS && thrown == null; call++) {
      long next = seed + call;
      thrown = catchThrowable(() -> rank.calls().run(next));
    }
    assertThat(thrown).as("seed=%d", randomSeed).isExactlyInstanceOf(MaskedException.class);
    Files.createFile(fellOut(round));
  }

  private void callAndStop(long seed, int round) {
    if (round % 2 == 0) {
      Supplier<LowLatencyDispatchResult> dispatch = rank.calls().prepareDispatch(seed, HOOKED);
      try (LowLatencyDispatchResult got = stopped(dispatch, round)) {
        got.recvHook().orElseThrow().run();
        rank.calls().combine(seed, got);
      }
    } else {
      try (LowLatencyDispatchResult got = rank.calls().dispatch(seed)) {
        stopped(rank.calls().prepareCombine(seed, got, HOOKED_COMBINE), round)
            .recvHook()
            .orElseThrow()
            .run();
      }
    }
  }

  /// Runs a send half during which the process stops, or a little later, and returns when it was
  /// woken. A send half that takes longer than the others' patience is one in which it stopped.
  private <T> T stopped(Supplier<T> sendHalf, int round) {
    long nanos = new SplittableRandom(randomSeed + round).nextLong(sendNanos[round % 2] / 2);
    AtomicLong moment = new AtomicLong(Long.MAX_VALUE);
    CountDownLatch spins = new CountDownLatch(1);
    Thread.ofPlatform().daemon().start(() -> stopAt(moment, spins));
    Bounded.await("stopper spins", BOUND, () -> spins.getCount() == 0);
    long begin = System.nanoTime();
    moment.set(begin + nanos);
    T result = sendHalf.get();
    numInside += System.nanoTime() - begin > timeout.toNanos() ? 1 : 0;
    awaitFile(woken(round));
    return result;
  }

  private static void stopAt(AtomicLong moment, CountDownLatch spins) {
    spins.countDown();
    while (System.nanoTime() < moment.get()) {
      Thread.onSpinWait();
    }
    LibC.signal(ProcessHandle.current().pid(), LibC.SIGSTOP);
  }

  private static void awaitFile(Path file) {
    Bounded.await("file appears: " + file, BOUND, () -> Files.exists(file));
  }

  private static Path woken(int round) {
    return Path.of("woken-" + round);
  }

  private static Path fellOut(int round) {
    return Path.of("fell-out-" + round);
  }

  /// The victim may have sent all of a call before it stopped: then it is missed in the next one,
  /// perhaps not in the same one by all. It wakes up between two calls of the others, who all go
  /// on.
  private void goOn(long seed, int round) throws IOException {
    rank.calls().run(seed, CALLS);
    rank.expectMasked(victim);
    LowLatencyDispatchResult lease = rank.calls().dispatch(seed + 200);
    rank.calls().run(seed + 201);
    if (rank.rank() == WATCHER) {
      Bounded.await("victim stops", BOUND, () -> RowStopper.isStopped(victimPid));
      Files.createFile(woken(round));
      LibC.signal(victimPid, LibC.SIGCONT);
    }
    rank.calls().run(seed + 202, AFTERWARDS);
    awaitFile(fellOut(round));
    rank.expectMasked(victim);
    rank.calls().run(seed + 300, AFTERWARDS);
    rank.calls().check(seed + 200, lease, rank.buffer().queryMask());
    rank.calls().combine(seed + 200, lease);
    lease.close();
  }
}
