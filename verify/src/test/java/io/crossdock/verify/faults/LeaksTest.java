package io.crossdock.verify.faults;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;

import io.crossdock.core.CallOptions;
import io.crossdock.core.DispatchConfig;
import io.crossdock.core.DispatchOptions;
import io.crossdock.core.DispatchResult;
import io.crossdock.core.LowLatencyCompletion;
import io.crossdock.core.LowLatencyDispatchResult;
import io.crossdock.core.WaitTimeoutException;
import io.crossdock.core.WindowAllocationException;
import io.crossdock.verify.harness.RankThreads;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/// Buffers give back what they took: mappings, descriptors, threads, files.
class LeaksTest {
  private static final int CYCLES = 50;
  private static final Path SHM = Path.of("/dev/shm");

  /// What a process holds.
  ///
  /// @param mappings of windows
  /// @param descriptors that are open
  /// @param threads of ours
  private record Holdings(long mappings, long descriptors, long threads) {
    static Holdings now() throws IOException {
      try (Stream<String> maps = Files.lines(Path.of("/proc/self/maps"));
          Stream<Path> files = Files.list(Path.of("/proc/self/fd"))) {
        return new Holdings(
            maps.filter(line -> line.contains("crossdock-")).count(),
            files.count(),
            Thread.getAllStackTraces().keySet().stream()
                .filter(thread -> thread.getName().startsWith("crossdock-"))
                .count());
      }
    }
  }

  @Test
  void openAndClose() throws Exception {
    cycle();
    Holdings before = Holdings.now();
    for (int i = 0; i < CYCLES; i++) {
      cycle();
    }
    assertThat(Holdings.now()).isEqualTo(before);
  }

  /// One life of a buffer with calls on the caller's thread, on the stream and on workers; its
  /// result and its handle are left open.
  private static void cycle() throws Exception {
    RankThreads.run(
        2,
        group -> {
          try (FaultRank rank = FaultRank.open(group)) {
            rank.takeLease();
            DispatchOptions options =
                DispatchOptions.DEFAULT
                    .withCall(CallOptions.DEFAULT.async())
                    .withConfig(new DispatchConfig(2, 1, 1));
            DispatchResult result =
                rank.buffer().dispatch(rank.batch().input(), rank.layout(), options);
            result.event().currentStreamWait();
            rank.buffer().combineBuffer(result.handle());
          }
        });
  }

  @Test
  void openAndCloseInLowLatencyMode() throws Exception {
    lowLatencyCycle();
    Holdings before = Holdings.now();
    for (int i = 0; i < CYCLES; i++) {
      lowLatencyCycle();
    }
    assertThat(Holdings.now()).isEqualTo(before);
  }

  /// One life of a buffer in low-latency mode: a rank is masked and comes back; a result, a combine
  /// buffer and a hook are left.
  private static void lowLatencyCycle() throws Exception {
    RankThreads.run(
        2,
        group -> {
          try (ElasticRank rank = ElasticRank.open(group, Duration.ofSeconds(20))) {
            rank.calls().run(1, 2);
            group.barrier();
            rank.buffer().updateMask(1 - rank.rank(), true);
            rank.calls().run(3);
            rank.buffer().cleanMask();
            LowLatencyDispatchResult got =
                rank.calls()
                    .dispatch(
                        4, ElasticCalls.BF16.withCompletion(LowLatencyCompletion.ASYNC_FINISH));
            got.event().currentStreamWait();
            rank.buffer().nextCombineBuffer(got.handle());
            rank.calls().dispatch(5, ElasticCalls.BF16.hooked());
          }
        });
  }

  @Test
  void failures() throws Exception {
    failedOpen();
    timedOut();
    Holdings before = Holdings.now();
    for (int i = 0; i < 5; i++) {
      failedOpen();
      timedOut();
    }
    assertThat(Holdings.now()).isEqualTo(before);
  }

  private static void failedOpen() throws Exception {
    RankThreads.run(
        2,
        group ->
            assertThat(
                    catchThrowable(() ->
                        FaultRank.open(group, FaultRank.spec().capacityRows(1L << 40).build())))
                .isInstanceOf(WindowAllocationException.class));
  }

  private static void timedOut() throws Exception {
    Duration timeout = Duration.ofMillis(50);
    RankThreads.run(
        2,
        group -> {
          try (FaultRank rank =
              FaultRank.open(group, FaultRank.spec().hostTimeout(timeout).build())) {
            if (rank.rank() == 0) {
              assertThat(catchThrowable(rank::goodDispatch))
                  .isInstanceOf(WaitTimeoutException.class);
            }
            group.barrier();
          }
        });
  }

  /// The file of a window loses its name while the buffer is opened, not when it is closed.
  @Test
  void noFileWhileOpen() throws Exception {
    String mine = "crossdock-" + ProcessHandle.current().pid() + "-";
    RankThreads.run(
        2,
        group -> {
          try (FaultRank rank = FaultRank.open(group)) {
            rank.calls().run(1);
            try (Stream<Path> files = Files.list(SHM)) {
              assertThat(files.map(file -> file.getFileName().toString()))
                  .noneMatch(name -> name.startsWith(mine));
            }
            group.barrier();
          }
        });
  }
}
