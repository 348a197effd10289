package io.crossdock.verify.network;

import static org.assertj.core.api.Assertions.assertThat;

import io.crossdock.ffi.LibC;
import io.crossdock.verify.harness.RankProcesses;
import io.crossdock.verify.harness.ShmFolder;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/// Ranks that read late, or whose sockets take little: calls take longer and are exact. One that
/// stands still for too long is masked in a buffer that shrinks.
@RequiresNodes
class SlowRankTest {
  private static final int LOCAL_RANKS = 2;
  private static final int RANKS = 2 * LOCAL_RANKS;
  private static final int STOPS = 20;
  private static final int STANDSTILLS = 2;
  private static final Duration BOUND = Duration.ofSeconds(90);

  /// Least, default and most bytes of a socket's buffer: less than a row of many.
  private static final String TINY = "4096 4096 8192";

  @TempDir private Path folder;

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
      fewBytes(nodes);
      stopAndContinue(nodes, kind, new SplittableRandom(seed));
    }
  }

  /// A rank stands still for longer than the others wait: they mask it, and it comes back.
  @ParameterizedTest(name = "seed {0}")
  @MethodSource("io.crossdock.verify.network.Stories#seeds")
  void maskedWhileItStandsStill(long seed) throws Exception {
    Stories.begin("maskedWhileItStandsStill", seed);
    SplittableRandom random = new SplittableRandom(seed);
    int sleeper = 1 + random.nextInt(RANKS - 1);
    try (TwoNodes nodes = TwoNodes.open(TwoNodes.Link.VETH, seed);
        ShmFolder shm = ShmFolder.create()) {
      fewBytes(nodes);
      try (RankProcesses ranks =
          nodes
              .launch(LOCAL_RANKS)
              .jvmOption(shm.jvmOption())
              .jvmOption("-Dcrossdock.ucx.lowLatency.messageBytes=1024")
              .start(StandstillBody.class, "" + folder, "" + sleeper, "" + STANDSTILLS)) {
        for (int round = 0; round < STANDSTILLS; round++) {
          awaitAll(ranks, StandstillBody.running(round), -1);
          pauseFor(random.nextInt(20_000));
          LibC.signal(ranks.process(sleeper).pid(), LibC.SIGSTOP);
          awaitAll(ranks, StandstillBody.masked(round), sleeper);
          LibC.signal(ranks.process(sleeper).pid(), LibC.SIGCONT);
          ranks.awaitOutput(sleeper, StandstillBody.masked(round), BOUND);
          Files.createFile(folder.resolve(StandstillBody.known(round)));
        }
        ranks.awaitSuccess(BOUND);
        System.out.print(ranks.output(0).indent(2));
        assertThat(shm.files()).isEmpty();
      }
    }
  }

  private static void fewBytes(TwoNodes nodes) {
    for (int node = 0; node < 2; node++) {
      nodes.option(node, "ipv4/tcp_rmem", TINY);
      nodes.option(node, "ipv4/tcp_wmem", TINY);
    }
  }

  private static void awaitAll(RankProcesses ranks, String text, int butOne) throws Exception {
    for (int rank = 0; rank < RANKS; rank++) {
      if (rank != butOne) {
        ranks.awaitOutput(rank, text, BOUND);
      }
    }
  }

  /// Stops one rank after the other, mostly for moments.
  private void stopAndContinue(TwoNodes nodes, String kind, SplittableRandom random)
      throws Exception {
    Path end = folder.resolve("end");
    try (ShmFolder shm = ShmFolder.create();
        RankProcesses ranks = start(nodes, kind, end, shm)) {
      ranks.awaitOutput(0, SteadyBody.RUNNING, BOUND);
      for (int stop = 0; stop < STOPS; stop++) {
        Process process = ranks.process(random.nextInt(RANKS));
        pauseFor(random.nextInt(20_000));
        LibC.signal(process.pid(), LibC.SIGSTOP);
        pauseFor(random.nextInt(random.nextInt(8) == 0 ? 400_000 : 20_000));
        LibC.signal(process.pid(), LibC.SIGCONT);
      }
      Files.createFile(end);
      ranks.awaitSuccess(BOUND);
      System.out.print(ranks.output(0).indent(2));
      assertThat(shm.files()).isEmpty();
    }
  }

  private static RankProcesses start(TwoNodes nodes, String kind, Path end, ShmFolder shm)
      throws IOException {
    return nodes
        .launch(LOCAL_RANKS)
        .jvmOption(shm.jvmOption())
        .start(SteadyBody.class, kind, "" + end, "-1", "0");
  }

  /// Lets a random time pass: it orders nothing.
  private static void pauseFor(int micros) throws InterruptedException {
    TimeUnit.MICROSECONDS.sleep(micros);
  }
}
