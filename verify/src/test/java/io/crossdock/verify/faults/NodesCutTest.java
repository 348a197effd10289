package io.crossdock.verify.faults;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;

import io.crossdock.core.AbortedException;
import io.crossdock.core.BufferClosedException;
import io.crossdock.core.EpBuffer;
import io.crossdock.core.PeerLeftException;
import io.crossdock.core.group.ProcessGroup;
import io.crossdock.verify.harness.EngineUnderTest;
import io.crossdock.verify.harness.ExactCalls;
import io.crossdock.verify.harness.OverNodes;
import io.crossdock.verify.harness.RankThreads;
import io.crossdock.verify.network.Forecast.Puts;
import io.crossdock.verify.network.Weather;
import java.time.Duration;
import java.util.SplittableRandom;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/// The line between nodes is cut, or holds everything back for a while, at a random moment between
/// calls or within one. `-Dcrossdock.seed` draws other moments.
@OverNodes
class NodesCutTest {
  private static final int RANKS = 4;
  private static final Duration TIMEOUT = Duration.ofSeconds(30);
  private static final Duration SOON = Duration.ofSeconds(10);
  private static final Duration HELD = Duration.ofSeconds(1);
  private static final long MOST_CALLS = 1_000_000;
  private static final int REPEATS = Integer.getInteger("crossdock.repeat", 4);

  /// What a rank calls again and again.
  private interface Calls {
    void run(long seed);
  }

  /// Does something after a random while.
  private static void atARandomMoment(int repeat, Runnable what) {
    SplittableRandom random = new SplittableRandom(Weather.forecast().seed() + repeat);
    LockSupport.parkNanos(random.nextLong(Duration.ofMillis(60).toNanos()));
    what.run();
  }

  private static void betweenNodes(PairAction action) {
    for (int near = 0; near < RANKS / 2; near++) {
      for (int far = RANKS / 2; far < RANKS; far++) {
        action.on(near, far);
      }
    }
  }

  private interface PairAction {
    void on(int near, int far);
  }

  @ParameterizedTest
  @EnumSource(Puts.class)
  void aCutEndsCallsOfNormalModeOnAllRanks(Puts puts) throws Exception {
    Weather.forecast(Weather.forecast().withPuts(puts));
    for (int repeat = 0; repeat < REPEATS; repeat++) {
      endsNormalMode(repeat, () -> betweenNodes(Weather::cut));
    }
    RankThreads.run(RANKS, group -> callsAreRight(group, 3));
  }

  /// Two ranks know of the cut. One of them may wait for a rank of its own node, which hears of the
  /// cut from the other one alone.
  @ParameterizedTest
  @EnumSource(Puts.class)
  void aCutBetweenTwoRanksEndsCallsOfNormalModeOnAllRanks(Puts puts) throws Exception {
    Weather.forecast(Weather.forecast().withPuts(puts));
    for (int repeat = 0; repeat < REPEATS; repeat++) {
      endsNormalMode(repeat, betweenTwo(repeat));
    }
  }

  private static Runnable betweenTwo(int repeat) {
    int near = repeat % 2;
    int far = 2 + repeat / 2 % 2;
    return () -> Weather.cut(near, far);
  }

  private static void endsNormalMode(int repeat, Runnable cut) throws Exception {
    AtomicLong cutAt = new AtomicLong(Long.MAX_VALUE);
    RankThreads.run(
        RANKS,
        group -> {
          try (EpBuffer buffer = open(group)) {
            expectCut(group, new ExactCalls(buffer)::run, new Cut(repeat, cut, cutAt));
          }
        });
  }

  private static EpBuffer open(ProcessGroup group) {
    return EpBuffer.open(
        EngineUnderTest.open(), FaultRank.spec().hostTimeout(TIMEOUT).build(), group);
  }

  private static void callsAreRight(ProcessGroup group, int count) {
    try (EpBuffer buffer = open(group)) {
      ExactCalls calls = new ExactCalls(buffer);
      for (int seed = 0; seed < count; seed++) {
        calls.run(seed);
      }
    }
  }

  /// Without leave to shrink, low-latency mode ends too.
  @ParameterizedTest
  @EnumSource(Puts.class)
  void aCutEndsCallsOfLowLatencyModeOnAllRanks(Puts puts) throws Exception {
    Weather.forecast(Weather.forecast().withPuts(puts));
    for (int repeat = 0; repeat < REPEATS; repeat++) {
      endsLowLatencyMode(repeat, () -> betweenNodes(Weather::cut));
      endsLowLatencyMode(repeat, betweenTwo(repeat));
    }
  }

  private static void endsLowLatencyMode(int repeat, Runnable cut) throws Exception {
    AtomicLong cutAt = new AtomicLong(Long.MAX_VALUE);
    RankThreads.run(
        RANKS,
        group -> {
          var spec = ElasticRank.spec(RANKS, TIMEOUT).enableShrink(false).build();
          try (ElasticRank rank = ElasticRank.open(group, spec)) {
            expectCut(group, rank.calls()::run, new Cut(repeat, cut, cutAt));
          }
        });
  }

  /// What rank 0 does at a random moment, and when it did.
  private record Cut(int repeat, Runnable cut, AtomicLong at) {
    void make() {
      atARandomMoment(
          repeat,
          () -> {
            at.set(System.nanoTime());
            cut.run();
          });
    }
  }

  private static void expectCut(ProcessGroup group, Calls calls, Cut cut)
      throws InterruptedException {
    calls.run(0);
    group.barrier();
    Thread cutter = null;
    if (group.rank() == 0) {
      cutter = Thread.ofPlatform().start(cut::make);
    }
    Throwable thrown = catchThrowable(() -> runOn(calls));
    long took = System.nanoTime() - cut.at.get();
    assertThat(thrown)
        .isInstanceOfAny(
            PeerLeftException.class, AbortedException.class, BufferClosedException.class);
    assertThat(Duration.ofNanos(took)).isLessThan(SOON);
    if (cutter != null) {
      cutter.join();
    }
    group.barrier();
  }

  private static void runOn(Calls calls) {
    for (long seed = 1; seed < MOST_CALLS; seed++) {
      calls.run(seed);
    }
  }

  /// What a rank does when rank 0 has cut some lines.
  private interface After {
    void run(ElasticRank rank) throws Exception;
  }

  private static void afterACut(int numRanks, Runnable cut, After after) throws Exception {
    RankThreads.run(
        numRanks,
        group -> {
          try (ElasticRank rank = ElasticRank.open(group, TIMEOUT)) {
            rank.calls().run(0, 5);
            group.barrier();
            if (rank.rank() == 0) {
              cut.run();
            }
            group.barrier();
            after.run(rank);
          }
        });
  }

  private static void cutNodeTwo() {
    Weather.cut(0, 2);
    Weather.cut(1, 2);
  }

  private static void goOn(ElasticRank rank) {
    long start = System.nanoTime();
    rank.calls().run(10, 20);
    assertThat(Duration.ofNanos(System.nanoTime() - start)).isLessThan(SOON);
  }

  private static void expectNodeTwoMasked(ElasticRank rank) {
    if (rank.rank() == 2) {
      rank.expectMasked(0, 1);
    } else {
      rank.expectMasked(2);
    }
  }

  /// The node that is cut off is masked by the others and the others by it, and all go on.
  @ParameterizedTest
  @EnumSource(Puts.class)
  void aNodeThatIsCutOffIsMasked(Puts puts) throws Exception {
    Weather.forecast(Weather.forecast().withPuts(puts));
    afterACut(
        3,
        NodesCutTest::cutNodeTwo,
        rank -> {
          goOn(rank);
          expectNodeTwoMasked(rank);
        });
  }

  /// Two ranks that are cut off from each other mask each other, and nobody else masks them.
  @ParameterizedTest
  @EnumSource(Puts.class)
  void aCutBetweenTwoRanksMasksThemForEachOther(Puts puts) throws Exception {
    Weather.forecast(Weather.forecast().withPuts(puts));
    afterACut(
        RANKS,
        () -> Weather.cut(0, 2),
        rank -> {
          goOn(rank);
          switch (rank.rank()) {
            case 0 -> rank.expectMasked(2);
            case 2 -> rank.expectMasked(0);
            default -> rank.expectMasked();
          }
        });
  }

  /// A handshake does not connect anew, a reset does.
  @ParameterizedTest
  @EnumSource(Puts.class)
  void aNodeThatTheNetworkDroppedComesBackWithAResetAlone(Puts puts) throws Exception {
    Weather.forecast(Weather.forecast().withPuts(puts));
    afterACut(
        3,
        NodesCutTest::cutNodeTwo,
        rank -> {
          rank.calls().run(10, 5);
          rank.group().barrier();
          rank.buffer().cleanMask();
          expectNodeTwoMasked(rank);
          rank.buffer().reset();
          rank.expectMasked();
          rank.calls().run(20, 5);
        });
  }

  /// A line that carries nothing for a while costs this while and no more.
  @ParameterizedTest
  @EnumSource(Puts.class)
  void aLineThatHoldsBackCostsTimeAlone(Puts puts) throws Exception {
    Weather.forecast(Weather.forecast().withPuts(puts));
    AtomicLong held = new AtomicLong();
    RankThreads.run(
        RANKS,
        group -> {
          try (ElasticRank rank = ElasticRank.open(group, TIMEOUT)) {
            ExactCalls normal = new ExactCalls(rank.buffer());
            normal.run(0);
            group.barrier();
            if (group.rank() == 0) {
              Thread.ofPlatform().daemon().start(() -> holdBack(held));
            }
            long seed = 1;
            do {
              normal.run(seed);
              rank.buffer().cleanLowLatencyBuffer();
              rank.calls().run(seed++);
              rank.buffer().cleanLowLatencyBuffer();
            } while (!rankZeroIsDone(group, held));
            rank.expectMasked();
          }
        });
  }

  /// All ranks go by what rank 0 sees.
  private static boolean rankZeroIsDone(ProcessGroup group, AtomicLong held) {
    byte mine = (byte) (held.get() == 0 ? 0 : 1);
    return group.allGather(new byte[] {mine})[0][0] != 0;
  }

  private static void holdBack(AtomicLong held) {
    atARandomMoment(0, () -> betweenNodes((near, far) -> Weather.hold(near, far, true)));
    LockSupport.parkNanos(HELD.toNanos());
    betweenNodes((near, far) -> Weather.hold(near, far, false));
    held.set(System.nanoTime());
  }
}
