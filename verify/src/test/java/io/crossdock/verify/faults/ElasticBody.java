package io.crossdock.verify.faults;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;

import io.crossdock.core.AbortedException;
import io.crossdock.core.BufferClosedException;
import io.crossdock.core.BufferSpec;
import io.crossdock.core.Engines;
import io.crossdock.core.EpBuffer;
import io.crossdock.core.LowLatencyDispatchResult;
import io.crossdock.core.MaskedException;
import io.crossdock.core.Mode;
import io.crossdock.core.PeerLeftException;
import io.crossdock.core.WaitTimeoutException;
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

/// The victim's process dies or stands still at a moment of a round of low-latency calls; the
/// others go on without it, or give the buffer up. One that stood still comes back.
public final class ElasticBody implements RankBody {
  /// Who wakes the victim.
  private static final int WATCHER = 1;

  private static final int WARM = 8;
  private static final int AFTERWARDS = 20;
  private static final Duration AT_ONCE = Duration.ofSeconds(20);

  /// Generous: what a loaded machine may add to a wait.
  private static final Duration LATE = Duration.ofSeconds(8);

  /// Where in a round the signal comes.
  enum Moment {
    /// Before it sends rows.
    DISPATCH,
    /// When it has sent its rows and received none.
    HOOK,
    /// Before it sends expert outputs.
    COMBINE,
    /// Before it cleans.
    CLEAN
  }

  private final int signal;
  private final boolean shrinks;
  private final int victim;
  private final Duration timeout;
  private final List<Moment> moments;
  private ProcessGroup group;
  private EpBuffer buffer;
  private ElasticCalls calls;
  private long victimPid;
  private long seed = 1000;

  /// @param arguments signal, enableShrink, victim's rank, time-out in milliseconds, moments
  public ElasticBody(List<String> arguments) {
    signal = Integer.parseInt(arguments.get(0));
    shrinks = Boolean.parseBoolean(arguments.get(1));
    victim = Integer.parseInt(arguments.get(2));
    timeout = Duration.ofMillis(Long.parseLong(arguments.get(3)));
    moments = arguments.subList(4, arguments.size()).stream().map(Moment::valueOf).toList();
  }

  @Override
  public void run(ProcessGroup ranks) throws Exception {
    group = ranks;
    victimPid = ByteBuffer.wrap(group.allGather(pid())[victim]).getLong();
    BufferSpec spec =
        BufferSpec.builder()
            .mode(Mode.LOW_LATENCY)
            .enableShrink(shrinks)
            .numMaxTokensPerRank(8)
            .hidden(264)
            .topk(3)
            .numExperts(2 * group.size())
            .windows(1, 1)
            .hostTimeout(timeout)
            .build();
    try (EpBuffer opened = EpBuffer.open(Engines.open("host"), spec, group)) {
      buffer = opened;
      calls = new ElasticCalls(buffer);
      calls.run(0, WARM);
      for (int round = 0; round < moments.size(); round++) {
        meet();
        play(moments.get(round), round);
      }
    }
  }

  /// In shared memory: rank 0 hosts the group, and could stop before its answer to a barrier left.
  private void meet() {
    buffer.cleanLowLatencyBuffer();
  }

  private static byte[] pid() {
    return ByteBuffer.allocate(8).putLong(ProcessHandle.current().pid()).array();
  }

  private boolean isVictim() {
    return group.rank() == victim;
  }

  private void play(Moment moment, int round) throws Exception {
    seed += 1000;
    if (shrinks) {
      if (isVictim()) {
        fallOut(moment, round);
      } else {
        goOn(moment, round);
      }
    } else if (isVictim()) {
      hearOfAbort(moment);
    } else {
      giveUp(moment, round);
    }
    if (signal == LibC.SIGSTOP) {
      comeBack(round);
    }
  }

  /// All calls of a round; the victim sends itself the signal at its moment.
  private void round(Moment moment) {
    stopAt(Moment.DISPATCH, moment);
    try (LowLatencyDispatchResult got = calls.dispatch(seed, ElasticCalls.BF16.hooked())) {
      stopAt(Moment.HOOK, moment);
      got.recvHook().orElseThrow().run();
      calls.check(seed, got);
      checkMask(moment == Moment.DISPATCH);
      stopAt(Moment.COMBINE, moment);
      calls.combine(seed, got);
      checkMask(moment != Moment.CLEAN);
    }
    stopAt(Moment.CLEAN, moment);
    buffer.cleanLowLatencyBuffer();
    checkMask(true);
  }

  /// A thread may run on for a while after a signal to its own process: it waits to be woken.
  private void stopAt(Moment here, Moment moment) {
    if (here == moment && isVictim()) {
      LibC.signal(victimPid, signal);
      awaitFile(woken());
    }
  }

  private Path woken() {
    return Path.of("woken-" + seed);
  }

  /// The victim itself masks nobody.
  private void checkMask(boolean gone) {
    boolean[] wanted = new boolean[group.size()];
    wanted[victim] = gone && !isVictim();
    assertThat(buffer.queryMask()).as("masks, rank=%d", group.rank()).isEqualTo(wanted);
  }

  private void goOn(Moment moment, int round) throws IOException {
    long start = System.nanoTime();
    round(moment);
    Duration took = since(start);
    checkTime(took);
    if (signal == LibC.SIGSTOP) {
      assertThat(took).isGreaterThanOrEqualTo(timeout);
    }
    start = System.nanoTime();
    calls.run(seed + 1, AFTERWARDS);
    assertThat(since(start)).as("time of calls without the victim").isLessThan(AT_ONCE);
    if (signal == LibC.SIGKILL) {
      buffer.cleanMask();
      checkMask(true);
      calls.run(seed + 100, AFTERWARDS);
      return;
    }
    wake();
    calls.run(seed + 100, AFTERWARDS);
    awaitFile(fellOut(round));
    calls.run(seed + 200, AFTERWARDS);
    checkMask(true);
  }

  /// A death is seen long before the time is up.
  private void checkTime(Duration took) {
    Duration bound = signal == LibC.SIGKILL ? AT_ONCE : timeout.plus(LATE);
    assertThat(took).as("time of the round").isLessThan(bound);
  }

  private static Duration since(long start) {
    return Duration.ofNanos(System.nanoTime() - start);
  }

  private void wake() throws IOException {
    if (group.rank() == WATCHER) {
      Bounded.await("victim stops", AT_ONCE, () -> RowStopper.isStopped(victimPid));
      Files.createFile(woken());
      LibC.signal(victimPid, LibC.SIGCONT);
    }
  }

  private static Path fellOut(int round) {
    return Path.of("fell-out-" + round);
  }

  private static void awaitFile(Path file) {
    Bounded.await("file appears: " + file, AT_ONCE, () -> Files.exists(file));
  }

  /// The victim finishes what the others sent to it before they gave it up, and is told then.
  private void fallOut(Moment moment, int round) throws IOException {
    Throwable thrown = catchThrowable(() -> round(moment));
    if (moment == Moment.CLEAN) {
      assertThat(thrown).as("what the others sent before is enough").isNull();
    } else {
      assertThat(thrown)
          .isExactlyInstanceOf(MaskedException.class)
          .hasMessageContaining("this rank was masked: rank=" + victim + ", peer=");
    }
    for (int call = 1; call < 4; call++) {
      long next = seed + call;
      assertThat(catchThrowable(() -> calls.run(next))).isExactlyInstanceOf(MaskedException.class);
    }
    checkMask(false);
    Files.createFile(fellOut(round));
  }

  private void giveUp(Moment moment, int round) throws IOException {
    long start = System.nanoTime();
    Throwable thrown = catchThrowable(() -> round(moment));
    checkTime(since(start));
    checkFailure(thrown);
    assertThat(catchThrowable(() -> calls.run(seed + 1)))
        .isInstanceOf(BufferClosedException.class)
        .hasMessageContaining("buffer was aborted and not reset: origin=");
    if (signal == LibC.SIGSTOP) {
      Files.createFile(gaveUp(round, group.rank()));
      for (int rank = 0; rank < group.size(); rank++) {
        if (rank != victim) {
          awaitFile(gaveUp(round, rank));
        }
      }
      wake();
    }
  }

  private static Path gaveUp(int round, int rank) {
    return Path.of("gave-up-" + round + "-" + rank);
  }

  /// Who waited tells whom it waited for; the others, in whatever call they are, are told the same.
  private void checkFailure(Throwable thrown) {
    boolean dies = signal == LibC.SIGKILL;
    Class<?> own = dies ? PeerLeftException.class : WaitTimeoutException.class;
    assertThat(thrown)
        .isInstanceOfAny(own, AbortedException.class, BufferClosedException.class)
        .hasMessageContaining(dies ? "peer process died: rank=" : "peer did not arrive: rank=")
        .hasMessageContaining(", peer=" + victim)
        .hasMessageContaining("phase=RECEIVE")
        .hasMessageContaining("expected=")
        .hasMessageContaining("seen=");
    if (thrown instanceof WaitTimeoutException wait) {
      assertThat(wait.facts().rank()).isEqualTo(group.rank());
      assertThat(wait.facts().peer()).isEqualTo(victim);
      assertThat(wait.facts().seen()).isLessThan(wait.facts().expected());
      assertThat(wait.facts().waitedNanos()).isGreaterThanOrEqualTo(timeout.toNanos());
    }
  }

  private void hearOfAbort(Moment moment) {
    assertThat(catchThrowable(() -> round(moment)))
        .isInstanceOfAny(AbortedException.class, BufferClosedException.class)
        .hasMessageContaining("peer did not arrive: rank=")
        .hasMessageContaining(", peer=" + victim);
  }

  private void comeBack(int round) {
    if (!shrinks) {
      buffer.reset();
    } else if (round % 2 == 0) {
      buffer.cleanMask();
    } else {
      buffer.updateMask(victim, false);
    }
    assertThat(buffer.queryMask()).containsOnly(false);
    calls.run(seed + 300, AFTERWARDS);
    buffer.cleanLowLatencyBuffer();
    assertThat(buffer.queryMask()).containsOnly(false);
  }
}
