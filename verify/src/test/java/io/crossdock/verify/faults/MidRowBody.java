package io.crossdock.verify.faults;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;

import io.crossdock.core.AbortedException;
import io.crossdock.core.BufferClosedException;
import io.crossdock.core.BufferSpec;
import io.crossdock.core.DispatchResult;
import io.crossdock.core.Engines;
import io.crossdock.core.EpBuffer;
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
import java.util.concurrent.Future;
import java.util.concurrent.locks.LockSupport;

/// The victim sends large rows to three ranks until it is caught in the middle of writing one; the
/// others send none, which leaves the cores to it and to the watcher. What happens to it then, and
/// what the others do, is the scenario.
///
/// A result that was taken before stays open all the time: its bytes must not change, whatever the
/// victim still writes when it wakes up.
public final class MidRowBody implements RankBody {
  private static final int WATCHER = 1;
  private static final int HIDDEN = 2 << 20;
  private static final int TOKENS = 1;
  private static final int MAX_ATTEMPTS = 300;
  private static final int CATCHES = 2;
  private static final Duration AT_ONCE = Duration.ofSeconds(10);
  private static final long PAUSE_NANOS = 150_000_000;

  /// What happens to a victim that was stopped in the middle of a row.
  enum Scenario {
    /// It wakes up in time.
    CONTINUED,
    /// It wakes up when the others gave up; then all reset the buffer.
    TIMED_OUT,
    /// It wakes up when the others have given up and gone.
    LEFT_ALONE,
    /// It dies.
    KILLED
  }

  private final Scenario scenario;
  private final int victim;
  private final Duration timeout;
  private ProcessGroup group;
  private EpBuffer buffer;
  private MarkedRows rows;
  private DispatchResult lease;
  private long victimPid;
  private long call = 2;
  private boolean caught;

  /// @param arguments scenario, victim's rank, time-out in milliseconds
  public MidRowBody(List<String> arguments) {
    scenario = Scenario.valueOf(arguments.get(0));
    victim = Integer.parseInt(arguments.get(1));
    timeout = Duration.ofMillis(Long.parseLong(arguments.get(2)));
  }

  @Override
  public void run(ProcessGroup ranks) throws Exception {
    group = ranks;
    BufferSpec spec =
        BufferSpec.builder()
            .numMaxTokensPerRank(TOKENS)
            .hidden(HIDDEN)
            .topk(group.size())
            .numExperts(group.size())
            .windows(2, 1)
            .hostTimeout(timeout)
            .build();
    victimPid = pids()[victim];
    try (EpBuffer opened = EpBuffer.open(Engines.open("host"), spec, group)) {
      buffer = opened;
      rows = new MarkedRows(buffer);
      lease = dispatchChecked(0);
      try (RowStopper stopper = stopper()) {
        play(stopper);
      }
    }
  }

  private long[] pids() {
    byte[] mine = ByteBuffer.allocate(8).putLong(ProcessHandle.current().pid()).array();
    byte[][] all = group.allGather(mine);
    long[] pids = new long[all.length];
    for (int rank = 0; rank < pids.length; rank++) {
      pids[rank] = ByteBuffer.wrap(all[rank]).getLong();
    }
    return pids;
  }

  private DispatchResult dispatchChecked(long number) {
    rows.speak(true);
    rows.prepare(number);
    DispatchResult got = rows.dispatch();
    rows.check(number, got);
    return got;
  }

  /// Looks where the victim's row arrives while the lease is held: it is the same place each time.
  private RowStopper stopper() {
    try (DispatchResult got = dispatchChecked(1)) {
      return new RowStopper(rows.row(got, 0), victimPid);
    }
  }

  private void play(RowStopper stopper) throws Exception {
    switch (scenario) {
      case CONTINUED -> continued(stopper);
      case TIMED_OUT -> timedOut(stopper);
      case LEFT_ALONE -> leftAlone(stopper);
      case KILLED -> killed(stopper);
    }
  }

  /// Makes calls until one fails, which is when the victim was caught; the victim itself may finish
  /// that call and fail in the next.
  private Throwable callUntilFailure(RowStopper stopper, Runnable whenCaught) throws Exception {
    for (int attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      Throwable thrown = call(stopper, whenCaught);
      if (thrown != null) {
        assertThat(caught || group.rank() != WATCHER).as("caught in the middle of a row").isTrue();
        return thrown;
      }
    }
    throw new AssertionError("the victim was never caught in the middle of a row");
  }

  private Throwable call(RowStopper stopper, Runnable whenCaught) throws Exception {
    call++;
    rows.speak(group.rank() == victim);
    rows.prepare(call);
    boolean watches = group.rank() == WATCHER;
    Future<Boolean> watch = watches ? stopper.arm(whenCaught) : null;
    Throwable thrown = catchThrowable(this::dispatchPrepared);
    caught = watches && watch.get();
    return thrown;
  }

  private void dispatchPrepared() {
    try (DispatchResult got = rows.dispatch()) {
      rows.checkFrom(victim, call, got);
    }
  }

  private void continued(RowStopper stopper) throws Exception {
    int times = 0;
    for (int attempt = 0; attempt < MAX_ATTEMPTS && times < CATCHES; attempt++) {
      assertThat(call(stopper, this::wakeLater)).isNull();
      times += isCaught() ? 1 : 0;
    }
    assertThat(times).as("times the victim was caught in the middle of a row").isEqualTo(CATCHES);
    checkUsable();
  }

  private void wakeLater() {
    LockSupport.parkNanos(PAUSE_NANOS);
    LibC.signal(victimPid, LibC.SIGCONT);
  }

  private boolean isCaught() {
    return group.allGather(new byte[] {(byte) (caught ? 1 : 0)})[WATCHER][0] == 1;
  }

  private void timedOut(RowStopper stopper) throws Exception {
    Throwable thrown = callUntilFailure(stopper, () -> {});
    if (group.rank() != victim) {
      checkTimeout(thrown);
      checkAborted();
      gaveUp();
    } else {
      assertThat(thrown).isInstanceOfAny(AbortedException.class, BufferClosedException.class);
    }
    buffer.reset();
    checkUsable();
  }

  private void checkTimeout(Throwable thrown) {
    assertThat(thrown).isInstanceOfAny(WaitTimeoutException.class, AbortedException.class);
    assertThat(thrown)
        .hasMessageContaining("peer did not arrive: rank=")
        .hasMessageContaining("peer=" + victim + ", phase=FINISH, expected=")
        .hasMessageContaining("seen=");
    if (thrown instanceof WaitTimeoutException wait) {
      assertThat(wait.facts().rank()).isEqualTo(group.rank());
      assertThat(wait.facts().peer()).isEqualTo(victim);
      assertThat(wait.facts().seen()).isEqualTo(wait.facts().expected() - 1);
      assertThat(wait.facts().waitedNanos()).isGreaterThanOrEqualTo(timeout.toNanos());
    }
  }

  private void checkAborted() {
    assertThat(catchThrowable(this::dispatchNext))
        .isInstanceOf(BufferClosedException.class)
        .hasMessageContaining("buffer was aborted and not reset: origin=");
  }

  private void dispatchNext() {
    rows.dispatch().close();
  }

  /// The watcher wakes the victim once every other rank gave up.
  private void gaveUp() throws IOException {
    if (group.rank() != WATCHER) {
      Files.createFile(gaveUp(group.rank()));
      return;
    }
    for (int rank = 0; rank < group.size(); rank++) {
      Path file = gaveUp(rank);
      boolean other = rank != WATCHER && rank != victim;
      Bounded.await("rank gives up: " + rank, AT_ONCE, () -> !other || Files.exists(file));
    }
    LibC.signal(victimPid, LibC.SIGCONT);
  }

  private static Path gaveUp(int rank) {
    return Path.of("gave-up-" + rank);
  }

  private void leftAlone(RowStopper stopper) throws Exception {
    Throwable thrown = callUntilFailure(stopper, () -> System.out.println("caught"));
    if (group.rank() != victim) {
      checkTimeout(thrown);
    } else {
      assertThat(thrown)
          .isInstanceOfAny(
              AbortedException.class, BufferClosedException.class, PeerLeftException.class);
    }
    rows.check(0, lease);
  }

  private void killed(RowStopper stopper) throws Exception {
    long start = System.nanoTime();
    Throwable thrown = callUntilFailure(stopper, () -> LibC.signal(victimPid, LibC.SIGKILL));
    assertThat(Duration.ofNanos(System.nanoTime() - start)).isLessThan(timeout);
    assertThat(thrown).isInstanceOfAny(PeerLeftException.class, AbortedException.class);
    assertThat(thrown)
        .hasMessageContaining("peer process died: rank=")
        .hasMessageContaining("peer=" + victim + ", pid=" + victimPid + ", phase=FINISH");
    checkAborted();
    rows.check(0, lease);
  }

  /// The lease is whole, and calls are exact with it and without it.
  private void checkUsable() {
    rows.check(0, lease);
    dispatchChecked(1000).close();
    lease.close();
    DispatchResult first = dispatchChecked(1001);
    try (DispatchResult second = dispatchChecked(1002)) {
      rows.checkCombine(second);
    }
    rows.check(1001, first);
    first.close();
  }
}
