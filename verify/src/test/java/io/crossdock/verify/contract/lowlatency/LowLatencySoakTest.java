package io.crossdock.verify.contract.lowlatency;

import io.crossdock.core.group.GroupOptions;
import io.crossdock.ffi.LibC;
import io.crossdock.ffi.NativeCallException;
import io.crossdock.verify.harness.EngineUnderTest;
import io.crossdock.verify.harness.RankProcesses;
import io.crossdock.verify.harness.RankThreads;
import java.time.Duration;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/// Many random low-latency calls on one buffer: some in every check; in the long one 10 000
/// iterations on a loaded machine whose ranks pause at random.
class LowLatencySoakTest {
  private static final long SEED = Long.getLong("crossdock.seed", 20_261_126);
  private static final int MANY = Integer.getInteger("crossdock.soak.iterations", 10_000);
  private static final int PROCESSES = 3;
  private static final Duration LONGEST = Duration.ofMinutes(90);

  private static List<String> arguments(int iterations) {
    return List.of(EngineUnderTest.name(), Long.toString(SEED), Integer.toString(iterations));
  }

  @Test
  void someIterationsInThreads() throws Exception {
    RankThreads.run(3, group -> new LowLatencySoakBody(arguments(150)).run(group));
  }

  @Test
  @Tag("long")
  void tenThousandIterationsInThreads() throws Exception {
    GroupOptions patient = GroupOptions.defaults().withTimeout(LONGEST.dividedBy(2));
    try (Load _ = new Load(Runtime.getRuntime().availableProcessors())) {
      RankThreads.run(4, patient, group -> new LowLatencySoakBody(arguments(MANY)).run(group));
    }
  }

  /// Ranks are stopped and continued from outside, wherever they are.
  @Test
  @Tag("long")
  void tenThousandIterationsInProcesses() throws Exception {
    SplittableRandom random = new SplittableRandom(SEED);
    int stops = 0;
    try (Load _ = new Load(1);
        RankProcesses ranks =
            RankProcesses.start(PROCESSES, LowLatencySoakBody.class, arguments(MANY))) {
      while (ranks.process(0).isAlive()) {
        TimeUnit.MICROSECONDS.sleep(random.nextInt(100_000));
        stopFor(ranks.process(random.nextInt(PROCESSES)), random.nextInt(50_000));
        stops++;
      }
      ranks.awaitSuccess(LONGEST);
      System.out.print(ranks.output(0));
      System.out.println("low-latency soak: processes stopped and continued: stops=" + stops);
    }
  }

  private static void stopFor(Process process, int micros) throws InterruptedException {
    try {
      LibC.signal(process.pid(), LibC.SIGSTOP);
      TimeUnit.MICROSECONDS.sleep(micros);
      LibC.signal(process.pid(), LibC.SIGCONT);
    } catch (NativeCallException e) {
      // The process ended meanwhile, which it does once all iterations were made.
      if (!process.waitFor(Duration.ofSeconds(60))) {
        throw e;
      }
    }
  }

  /// Threads that take time from the ranks.
  private static final class Load implements AutoCloseable {
    private volatile boolean ended;

    Load(int threads) {
      for (int i = 0; i < threads; i++) {
        Thread.ofPlatform().daemon().name("load-" + i).start(this::burn);
      }
    }

    private void burn() {
      while (!ended) {
        Thread.onSpinWait();
      }
    }

    @Override
    public void close() {
      ended = true;
    }
  }
}
