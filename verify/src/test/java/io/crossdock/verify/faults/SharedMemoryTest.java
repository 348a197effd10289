package io.crossdock.verify.faults;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;

import io.crossdock.core.BufferSpec;
import io.crossdock.core.Engine;
import io.crossdock.core.EngineUnavailableException;
import io.crossdock.core.Engines;
import io.crossdock.core.EpBuffer;
import io.crossdock.core.WindowAllocationException;
import io.crossdock.core.group.ProcessGroup;
import io.crossdock.verify.harness.RankBody;
import io.crossdock.verify.harness.RankLaunch;
import io.crossdock.verify.harness.RankProcesses;
import io.crossdock.verify.harness.RankThreads;
import io.crossdock.verify.harness.ShmFolder;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.Test;

/// Shared memory that is full, small or missing: every rank hears of it, nothing is left behind,
/// and a smaller buffer can be opened at once.
class SharedMemoryTest {
  private static final int RANKS = 3;
  private static final int SMALL_MEBIBYTES = 64;
  private static final Duration BOUND = Duration.ofSeconds(60);

  /// {@return about 26 MB a rank: two of them fit into 64 MB and a third does not}
  private static BufferSpec large() {
    return FaultRank.spec().hidden(7168).numMaxTokensPerRank(150).build();
  }

  /// {@return about 88 MB a rank}
  private static BufferSpec tooLarge() {
    return FaultRank.spec().hidden(7168).numMaxTokensPerRank(512).build();
  }

  /// Opens what does not fit, then what does.
  public static final class Body implements RankBody {
    /// @param arguments none
    public Body(List<String> arguments) {
      assertThat(arguments).isEmpty();
    }

    @Override
    public void run(ProcessGroup group) throws Exception {
      String tooSmall = "shared memory is too small for the windows: rank=";
      checkFails(group, tooLarge(), tooSmall);
      checkFails(group, large(), "a rank has no windows: peer=");
      checkFails(group, large(), "neededBytes=");
      checkOpens(group);
    }
  }

  private static void checkFails(ProcessGroup group, BufferSpec spec, String fragment) {
    Throwable thrown = catchThrowable(() -> FaultRank.open(group, spec).close());
    assertThat(thrown)
        .isExactlyInstanceOf(WindowAllocationException.class)
        .hasMessageContaining(fragment);
  }

  private static void checkOpens(ProcessGroup group) throws Exception {
    try (FaultRank rank = FaultRank.open(group)) {
      rank.takeLease();
      rank.checkUsable();
    }
  }

  @Test
  void smallForThreads() throws Exception {
    try (ShmFolder shm = ShmFolder.mount(SMALL_MEBIBYTES).use()) {
      long usable = shm.usableBytes();
      RankThreads.run(RANKS, group -> new Body(List.of()).run(group));
      assertThat(shm.files()).isEmpty();
      assertThat(shm.usableBytes()).isEqualTo(usable);
    }
  }

  @Test
  void smallForProcesses() throws Exception {
    try (ShmFolder shm = ShmFolder.mount(SMALL_MEBIBYTES);
        RankProcesses ranks = RankLaunch.of(RANKS).jvmOption(shm.jvmOption()).start(Body.class)) {
      long usable = shm.usableBytes();
      ranks.awaitSuccess(BOUND);
      assertThat(shm.files()).isEmpty();
      assertThat(shm.usableBytes()).isGreaterThanOrEqualTo(usable);
    }
  }

  @Test
  void full() throws Exception {
    try (ShmFolder shm = ShmFolder.mount(SMALL_MEBIBYTES).use()) {
      Path filler = shm.path().resolve("filler");
      fill(filler);
      RankThreads.run(
          2,
          group -> {
            checkFails(group, FaultRank.spec().build(), "usableBytes=0");
            group.barrier();
            Files.deleteIfExists(filler);
            group.barrier();
            checkOpens(group);
          });
      assertThat(shm.files()).isEmpty();
    }
  }

  private static void fill(Path file) throws IOException {
    byte[] mebibyte = new byte[1 << 20];
    try (var out = Files.newOutputStream(file)) {
      while (Files.getFileStore(file).getUsableSpace() > 0) {
        int bytes = (int) Math.min(mebibyte.length, Files.getFileStore(file).getUsableSpace());
        out.write(mebibyte, 0, bytes);
      }
    }
  }

  @Test
  void missing() throws Exception {
    Engine engine = Engines.open("host");
    ShmFolder gone = ShmFolder.create();
    gone.close();
    gone.use();
    try {
      RankThreads.run(
          2,
          group ->
              assertThat(
                      catchThrowable(() -> EpBuffer.open(engine, FaultRank.spec().build(), group)))
                  .isExactlyInstanceOf(WindowAllocationException.class)
                  .hasMessageContaining("directory=" + gone.path()));
      assertThat(catchThrowable(() -> Engines.open("host")))
          .isExactlyInstanceOf(EngineUnavailableException.class)
          .hasMessageContaining("directory=" + gone.path());
    } finally {
      ShmFolder.useDefault();
    }
    RankThreads.run(2, SharedMemoryTest::checkOpens);
  }
}
