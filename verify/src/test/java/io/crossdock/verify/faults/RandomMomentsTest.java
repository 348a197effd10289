package io.crossdock.verify.faults;

import static org.assertj.core.api.Assertions.assertThat;

import io.crossdock.ffi.LibC;
import io.crossdock.ffi.NativeCallException;
import io.crossdock.verify.harness.Bounded;
import io.crossdock.verify.harness.RankLaunch;
import io.crossdock.verify.harness.RankProcesses;
import io.crossdock.verify.harness.ShmFolder;
import java.time.Duration;
import java.util.SplittableRandom;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/// Signals that reach processes at any moment of opening, dispatching, combining and closing.
class RandomMomentsTest {
  private static final int RANKS = 3;
  private static final int KILLED = 128 + LibC.SIGKILL;
  private static final long SEED = Long.getLong("crossdock.seed", System.nanoTime());
  private static final Duration BOUND = Duration.ofSeconds(60);

  /// How long a rank may stand still, in milliseconds.
  private static final String SHORT = "2000";

  private static final String FOR_EVER = Integer.toString(Integer.MAX_VALUE);

  @Test
  void stoppedAndContinued() throws Exception {
    stopAndContinue(60, 200);
  }

  @Test
  @Tag("long")
  void stoppedAndContinuedOften() throws Exception {
    stopAndContinue(3000, 2000);
  }

  /// Stops one rank after the other while calls are made; every result is exact.
  private static void stopAndContinue(int numStops, int callsPerBuffer) throws Exception {
    SplittableRandom random = new SplittableRandom(SEED);
    try (ShmFolder shm = ShmFolder.create();
        RankProcesses ranks = start(shm, Integer.toString(callsPerBuffer))) {
      ranks.awaitOutput(0, CallsBody.RUNNING, BOUND);
      for (int stop = 0; stop < numStops && areAlive(ranks); stop++) {
        Process process = ranks.process(random.nextInt(RANKS));
        pauseFor(random.nextInt(8_000));
        signal(process, LibC.SIGSTOP);
        pauseFor(random.nextInt(8_000));
        signal(process, LibC.SIGCONT);
      }
      ranks.createFile(CallsBody.ENOUGH);
      ranks.awaitSuccess(BOUND);
      assertThat(shm.files()).isEmpty();
    }
  }

  /// {@return false if a rank failed, which is told when it is waited for}
  private static boolean areAlive(RankProcesses ranks) {
    return IntStream.range(0, RANKS).allMatch(rank -> ranks.process(rank).isAlive());
  }

  private static RankProcesses start(ShmFolder shm, String callsPerBuffer) throws Exception {
    return RankLaunch.of(RANKS).jvmOption(shm.jvmOption()).start(CallsBody.class, callsPerBuffer);
  }

  @Test
  void stoppedTooLong() throws Exception {
    stopTooLong(4);
  }

  @Test
  @Tag("long")
  void stoppedTooLongOften() throws Exception {
    stopTooLong(60);
  }

  /// Stops a rank until the others give up, wherever it was; they all reset the buffer, and every
  /// result afterwards is exact.
  private static void stopTooLong(int times) throws Exception {
    SplittableRandom random = new SplittableRandom(SEED);
    try (ShmFolder shm = ShmFolder.create();
        RankProcesses ranks =
            RankLaunch.of(RANKS)
                .jvmOption(shm.jvmOption())
                .start(ResetBody.class, Integer.toString(times), SHORT)) {
      for (int resets = 0; resets < times; resets++) {
        for (int rank = 0; rank < RANKS; rank++) {
          ranks.awaitOutput(rank, ResetBody.running(resets), BOUND);
        }
        pauseFor(random.nextInt(20_000));
        int victim = random.nextInt(RANKS);
        signal(ranks.process(victim), LibC.SIGSTOP);
        ranks.awaitOutput((victim + 1) % RANKS, ResetBody.failed(resets), BOUND);
        pauseFor(random.nextInt(200_000));
        signal(ranks.process(victim), LibC.SIGCONT);
      }
      ranks.awaitSuccess(BOUND);
      assertThat(shm.files()).isEmpty();
    }
  }

  /// Sends a signal to a process that may end at any moment.
  private static void signal(Process process, int signal) throws InterruptedException {
    try {
      LibC.signal(process.pid(), signal);
    } catch (NativeCallException e) {
      if (!process.waitFor(BOUND)) {
        throw e;
      }
    }
  }

  /// Lets a random time pass: it orders nothing.
  private static void pauseFor(int micros) throws InterruptedException {
    TimeUnit.MICROSECONDS.sleep(micros);
  }

  @Test
  void allKilled() throws Exception {
    killAll(2);
  }

  @Test
  @Tag("long")
  void allKilledOften() throws Exception {
    killAll(40);
  }

  /// Kills all ranks when all stand still: none sees that another one is gone.
  private static void killAtOnce(RankProcesses ranks) {
    long[] pids = IntStream.range(0, RANKS).mapToLong(rank -> ranks.process(rank).pid()).toArray();
    for (long pid : pids) {
      LibC.signal(pid, LibC.SIGSTOP);
    }
    for (long pid : pids) {
      Bounded.await("process stops: pid=" + pid, BOUND, () -> RowStopper.isStopped(pid));
    }
    for (long pid : pids) {
      LibC.signal(pid, LibC.SIGKILL);
    }
  }

  /// Kills all ranks while they open and use buffers: the kernel takes every window back.
  private static void killAll(int times) throws Exception {
    SplittableRandom random = new SplittableRandom(SEED);
    for (int i = 0; i < times; i++) {
      try (ShmFolder shm = ShmFolder.create();
          RankProcesses ranks = start(shm, i % 2 == 0 ? FOR_EVER : "20")) {
        ranks.awaitOutput(RANKS - 1, CallsBody.RUNNING, BOUND);
        pauseFor(random.nextInt(20_000));
        killAtOnce(ranks);
        for (int rank = 0; rank < RANKS; rank++) {
          assertThat(ranks.await(rank, BOUND)).as("seed=%d", SEED).isEqualTo(KILLED);
        }
        assertThat(shm.files()).as("seed=%d", SEED).isEmpty();
      }
    }
  }
}
