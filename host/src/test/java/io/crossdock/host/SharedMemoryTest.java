package io.crossdock.host;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.crossdock.core.BufferSpec;
import io.crossdock.core.WindowAllocationException;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

@Timeout(120)
class SharedMemoryTest {
  private static final String DIRECTORY = "crossdock.shm.dir";
  private static final long MIB = 1 << 20;

  @TempDir Path folder;
  private boolean mounted;

  @AfterEach
  void unmount() throws Exception {
    System.clearProperty(DIRECTORY);
    if (mounted) {
      assertThat(run("umount", folder.toString())).as("umount").isZero();
    }
  }

  /// A small shared-memory file system of our own.
  private void mount(String size) throws Exception {
    int code = run("mount", "-t", "tmpfs", "-o", "size=" + size, "tmpfs", folder.toString());
    assumeTrue(code == 0, "a tmpfs cannot be mounted here: exitCode=" + code);
    mounted = true;
    System.setProperty(DIRECTORY, folder.toString());
  }

  private static int run(String... command) throws Exception {
    try {
      Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
      process.inputReader().lines().forEach(line -> {});
      return process.waitFor(20, TimeUnit.SECONDS) ? process.exitValue() : -1;
    } catch (IOException e) {
      return -1;
    }
  }

  @Test
  void memoryIsZeroedSharedAndHasNoName() throws Exception {
    System.setProperty(DIRECTORY, folder.toString());
    long bytes = 3 * MIB + 5;
    try (SharedMemory memory = SharedMemory.create(SharedMemory.WINDOWS, bytes, 3);
        Arena arena = Arena.ofShared()) {
      assertThat(folder).isEmptyDirectory();
      MemorySegment one = SharedMemory.map(memory.link(), bytes, arena);
      MemorySegment other = SharedMemory.map(memory.link(), bytes, arena);
      assertThat(one.mismatch(MemorySegment.ofArray(new byte[(int) bytes]))).isEqualTo(-1);
      one.set(JAVA_BYTE, bytes - 1, (byte) 42);
      assertThat(other.get(JAVA_BYTE, bytes - 1)).isEqualTo((byte) 42);
      assertThat(one.address()).isNotEqualTo(other.address());
    }
  }

  @Test
  void aMappingOutlivesTheDescriptor() {
    try (Arena arena = Arena.ofShared()) {
      SharedMemory memory = SharedMemory.create(SharedMemory.WINDOWS, 4096, 0);
      MemorySegment mapped = SharedMemory.map(memory.link(), 4096, arena);
      memory.close();
      mapped.set(JAVA_BYTE, 4095, (byte) 1);
      assertThatThrownBy(() -> SharedMemory.map(memory.link(), 4096, arena))
          .isInstanceOf(WindowAllocationException.class)
          .hasMessageContaining("link=" + memory.link());
    }
  }

  @Test
  void nothingIsLeftInTheDefaultDirectory() throws Exception {
    try (SharedMemory memory = SharedMemory.create(SharedMemory.WINDOWS, MIB, 0)) {
      assertThat(memory.link()).startsWith("/proc/" + ProcessHandle.current().pid() + "/fd/");
      try (Stream<Path> files = Files.list(Path.of("/dev/shm"))) {
        String mine = "crossdock-" + ProcessHandle.current().pid() + "-";
        assertThat(files.map(file -> file.getFileName().toString()))
            .noneMatch(name -> name.startsWith(mine));
      }
    }
  }

  /// Others on the machine have no business in it.
  @Test
  void onlyTheOwnerMayOpenIt() throws Exception {
    try (SharedMemory memory = SharedMemory.create(SharedMemory.WINDOWS, 4096, 0)) {
      assertThat(Files.getPosixFilePermissions(Path.of(memory.link())))
          .containsExactlyInAnyOrderElementsOf(PosixFilePermissions.fromString("rw-------"));
    }
  }

  @Test
  void aDirectoryThatIsTooSmallIsNamed() throws Exception {
    mount("64m");
    assertThatThrownBy(() -> SharedMemory.create(SharedMemory.WINDOWS, 65 * MIB, 1))
        .isInstanceOf(WindowAllocationException.class)
        .hasMessageStartingWith("shared memory is too small for the windows: rank=1, directory=")
        .hasMessageContaining("directory=" + folder + ", neededBytes=" + 65 * MIB)
        .hasMessageContaining("usableBytes=" + 64 * MIB)
        .hasMessageContaining("remedy=");
    assertThat(folder).isEmptyDirectory();
  }

  @Test
  void aDirectoryThatIsMissingIsNamed() {
    Path missing = folder.resolve("missing");
    System.setProperty(DIRECTORY, missing.toString());
    assertThatThrownBy(() -> SharedMemory.create(SharedMemory.WINDOWS, MIB, 0))
        .isInstanceOf(WindowAllocationException.class)
        .hasMessageContaining("directory=" + missing)
        .hasMessageContaining("cause=java.nio.file.NoSuchFileException");
  }

  @Test
  void theLastByteOfTheDirectoryCanBeHad() throws Exception {
    mount("2m");
    try (SharedMemory memory = SharedMemory.create(SharedMemory.WINDOWS, 2 * MIB, 0);
        Arena arena = Arena.ofShared()) {
      MemorySegment mapped = SharedMemory.map(memory.link(), 2 * MIB, arena);
      mapped.fill((byte) 1);
      assertThat(mapped.get(JAVA_BYTE, 2 * MIB - 1)).isEqualTo((byte) 1);
      assertThatThrownBy(() -> SharedMemory.create(SharedMemory.WINDOWS, 4096, 1))
          .isInstanceOf(WindowAllocationException.class);
    }
    // What was held is there again.
    SharedMemory.create(SharedMemory.WINDOWS, 2 * MIB, 0).close();
  }

  /// Each rank alone would fit, all together do not: the space that was there when a rank looked is
  /// gone when it writes.
  @ParameterizedTest
  @ValueSource(ints = {2, 3, 5})
  void whenRanksTogetherNeedTooMuchAllOfThemGetTheError(int numRanks) throws Exception {
    mount("64m");
    BufferSpec spec = spec(40 * MIB);
    List<Throwable> failures = Opening.onAll(spec, numRanks);
    assertThat(failures).hasSize(numRanks);
    assertThat(failures)
        .allSatisfy(failure ->
            assertThat(failure)
                .isInstanceOf(WindowAllocationException.class)
                .hasMessageContaining("a rank has no windows: peer=")
                .hasMessageContaining("directory=" + folder));
    assertThat(folder).isEmptyDirectory();
    // Nothing is held: the whole directory can be had again.
    SharedMemory.create(SharedMemory.WINDOWS, 64 * MIB, 0).close();
  }

  @Test
  void aFullDirectoryFailsOnAllRanks() throws Exception {
    mount("1m");
    Files.write(folder.resolve("other"), new byte[(int) MIB]);
    assertThat(Opening.onAll(spec(MIB), 2))
        .hasSize(2)
        .allSatisfy(failure ->
            assertThat(failure)
                .isInstanceOf(WindowAllocationException.class)
                .hasMessageContaining("usableBytes=0"));
  }

  @Test
  void whatFitsWorks() throws Exception {
    mount("64m");
    assertThat(Opening.onAll(spec(20 * MIB), 3)).isEmpty();
    SharedMemory.create(SharedMemory.WINDOWS, 64 * MIB, 0).close();
  }

  /// A buffer that takes about so many bytes of each rank.
  private static BufferSpec spec(long bytes) {
    int hidden = 1024;
    long row = hidden * 2L * 2;
    return BufferSpec.builder()
        .numMaxTokensPerRank(8)
        .hidden(hidden)
        .topk(1)
        .numExperts(60)
        .windows(1, 1)
        .capacityRows(bytes / row)
        .build();
  }
}
