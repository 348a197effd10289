package io.crossdock.verify.network;

import static org.assertj.core.api.Assertions.assertThat;

import io.crossdock.ffi.LibC;
import io.crossdock.ffi.NativeCallException;
import io.crossdock.verify.harness.RankProcesses;
import io.crossdock.verify.harness.ShmFolder;
import java.io.IOException;
import java.time.Duration;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/// Ranks that read late, or whose sockets take little: calls take longer and are exact.
@RequiresNodes
class SlowRankTest {
  private static final int LOCAL_RANKS = 2;
  private static final int RANKS = 2 * LOCAL_RANKS;
  private static final Duration BOUND = Duration.ofSeconds(90);

  /// Least, default and most bytes of a socket's buffer: less than a row of many.
  private static final String TINY = "4096 4096 8192";

  static Stream<Arguments> kinds() {
    return Stories.each(List.of(Arguments.of("NORMAL"), Arguments.of("LOW_LATENCY")));
  }

  @ParameterizedTest(name = "{0}, seed {1}")
  @MethodSource("kinds")
  void slowReader(String kind, long seed) throws Exception {
    Stories.begin("slowReader " + kind, seed);
    try (TwoNodes nodes = TwoNodes.open(TwoNodes.Link.VETH, seed)) {
      stopAndContinue(nodes, kind, new SplittableRandom(seed));
    }
  }

  @ParameterizedTest(name = "{0}, seed {1}")
  @MethodSource("kinds")
  void fullSockets(String kind, long seed) throws Exception {
    Stories.begin("fullSockets " + kind, seed);
    try (TwoNodes nodes = TwoNodes.open(TwoNodes.Link.VETH, seed)) {
      for (int node = 0; node < 2; node++) {
        nodes.option(node, "ipv4/tcp_rmem", TINY);
        nodes.option(node, "ipv4/tcp_wmem", TINY);
      }
      stopAndContinue(nodes, kind, new SplittableRandom(seed));
    }
  }

  /// Stops one rank after the other until all calls are made, mostly for moments.
  private static void stopAndContinue(TwoNodes nodes, String kind, SplittableRandom random)
      throws Exception {
    try (ShmFolder shm = ShmFolder.create();
        RankProcesses ranks = start(nodes, kind, shm)) {
      ranks.awaitOutput(0, SteadyBody.RUNNING, BOUND);
      int numStops = 0;
      while (ranks.process(0).isAlive()) {
        Process process = ranks.process(random.nextInt(RANKS));
        pauseFor(random.nextInt(20_000));
        signal(process, LibC.SIGSTOP);
        pauseFor(random.nextInt(random.nextInt(8) == 0 ? 400_000 : 20_000));
        signal(process, LibC.SIGCONT);
        numStops++;
      }
      ranks.awaitSuccess(BOUND);
      System.out.print(ranks.output(0).indent(2));
      assertThat(numStops).isGreaterThan(5);
      assertThat(shm.files()).isEmpty();
    }
  }

  private static RankProcesses start(TwoNodes nodes, String kind, ShmFolder shm)
      throws IOException {
    return nodes
        .launch(LOCAL_RANKS)
        .jvmOption(shm.jvmOption())
        .start(SteadyBody.class, kind, "40", "-1", "0");
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
}
