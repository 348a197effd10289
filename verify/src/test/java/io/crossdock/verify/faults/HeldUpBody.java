package io.crossdock.verify.faults;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;

import io.crossdock.core.AbortedException;
import io.crossdock.core.LowLatencyDispatchResult;
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
import java.util.concurrent.locks.LockSupport;

/// The victim's process stands still. One rank knows and does without it, another does not and
/// waits; the first one waits for that other, longer than a time-out, and must neither mask nor
/// blame it.
public final class HeldUpBody implements RankBody {
  private static final int KNOWS = 0;
  private static final int WAITS = 1;
  private static final int VICTIM = 2;
  private static final int AFTERWARDS = 10;
  private static final Duration AT_ONCE = Duration.ofSeconds(20);

  /// Generous: what a loaded machine may add to a wait.
  private static final Duration LATE = Duration.ofSeconds(8);

  private static final Path OVER = Path.of("over");
  private final boolean shrinks;
  private final Duration timeout;
  private ElasticRank rank;
  private long victimPid;
  private long start;

  /// @param arguments enableShrink, time-out in milliseconds
  public HeldUpBody(List<String> arguments) {
    shrinks = Boolean.parseBoolean(arguments.get(0));
    timeout = Duration.ofMillis(Long.parseLong(arguments.get(1)));
  }

  @Override
  public void run(ProcessGroup group) throws Exception {
    byte[] pid = ByteBuffer.allocate(8).putLong(ProcessHandle.current().pid()).array();
    victimPid = ByteBuffer.wrap(group.allGather(pid)[VICTIM]).getLong();
    try (ElasticRank opened =
        ElasticRank.open(
            group, ElasticRank.spec(group.size(), timeout).enableShrink(shrinks).build())) {
      rank = opened;
      rank.calls().run(0, AFTERWARDS);
      start = System.nanoTime();
      group.barrier();
      switch (group.rank()) {
        case KNOWS -> knows();
        case WAITS -> waits();
        default -> standsStill();
      }
      if (shrinks) {
        rank.buffer().cleanMask();
      } else {
        rank.buffer().reset();
      }
      rank.expectMasked();
      rank.calls().run(1000, AFTERWARDS);
    }
  }

  /// A thread may run on for a while after a signal to its own process: it waits to be woken.
  private void standsStill() {
    LibC.signal(victimPid, LibC.SIGSTOP);
    Bounded.await("others are done", AT_ONCE, () -> Files.exists(OVER));
  }

  /// Its time counts from before the barrier, after which the other rank begins to wait.
  private void knows() throws IOException {
    Bounded.await("victim stops", AT_ONCE, () -> RowStopper.isStopped(victimPid));
    rank.buffer().updateMask(VICTIM, true);
    rank.calls().dispatch(100).close();
    Throwable thrown = catchThrowable(() -> rank.calls().run(101));
    Duration took = Duration.ofNanos(System.nanoTime() - start);
    assertThat(took).isBetween(timeout.plus(pause()), timeout.plus(pause()).plus(LATE));
    if (shrinks) {
      assertThat(thrown).isNull();
      rank.calls().run(102, AFTERWARDS);
      rank.expectMasked(VICTIM);
    } else {
      assertThat(thrown)
          .isExactlyInstanceOf(AbortedException.class)
          .hasMessageContaining("peer did not arrive: rank=1, peer=2");
    }
    Files.createFile(OVER);
    LibC.signal(victimPid, LibC.SIGCONT);
  }

  private Duration pause() {
    return timeout.dividedBy(2);
  }

  /// Computes between the halves of the call in which it misses the victim, so that it waits until
  /// after the patience of the rank that waits for it.
  private void waits() {
    LowLatencyDispatchResult got = rank.calls().dispatch(100, ElasticCalls.BF16.hooked());
    long begin = System.nanoTime();
    long pause = pause().toNanos();
    for (long left = pause; left > 0; left = begin + pause - System.nanoTime()) {
      LockSupport.parkNanos(left);
    }
    Throwable thrown = catchThrowable(() -> got.recvHook().orElseThrow().run());
    if (shrinks) {
      assertThat(thrown).isNull();
      rank.calls().check(100, got);
      got.close();
      rank.calls().run(101, 1 + AFTERWARDS);
      rank.expectMasked(VICTIM);
    } else {
      assertThat(thrown).isExactlyInstanceOf(WaitTimeoutException.class);
      assertThat(((WaitTimeoutException) thrown).facts().peer()).isEqualTo(VICTIM);
      got.close();
    }
  }
}
