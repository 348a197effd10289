package io.crossdock.verify.harness;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Assumptions;

/// A folder of shared memory that belongs to one test, so that it can tell whether a file is left.
///
/// Confined to the thread of the test.
public final class ShmFolder implements AutoCloseable {
  private static final String PROPERTY = "crossdock.shm.dir";

  private final Path path;
  private final boolean mounted;

  private ShmFolder(Path path, boolean mounted) {
    this.path = path;
    this.mounted = mounted;
  }

  /// {@return a folder in `/dev/shm`}
  public static ShmFolder create() throws IOException {
    return new ShmFolder(Files.createTempDirectory(Path.of("/dev/shm"), "test-"), false);
  }

  /// Mounts shared memory of its own; the test is skipped, with a reason, where that is not
  /// allowed.
  ///
  /// @param mebibytes how large
  /// @return the folder
  public static ShmFolder mount(int mebibytes) throws IOException {
    Path folder = Files.createTempDirectory("crossdock-shm-");
    List<String> command =
        List.of("mount", "-t", "tmpfs", "-o", "size=" + mebibytes + "m", "tmpfs", "" + folder);
    String problem = Tool.problemOf(command);
    if (!problem.isEmpty()) {
      Files.delete(folder);
    }
    Assumptions.assumeTrue(problem.isEmpty(), () -> "no tmpfs can be mounted here: " + problem);
    return new ShmFolder(folder, true);
  }

  /// {@return where it is}
  public Path path() {
    return path;
  }

  /// {@return the option that makes a virtual machine use it}
  public String jvmOption() {
    return "-D" + PROPERTY + "=" + path;
  }

  /// Makes this virtual machine use it until the folder is closed.
  ///
  /// @return this
  public ShmFolder use() {
    System.setProperty(PROPERTY, path.toString());
    return this;
  }

  /// Makes this virtual machine use `/dev/shm` again.
  public static void useDefault() {
    System.clearProperty(PROPERTY);
  }

  /// {@return names of the files in it}
  public List<String> files() throws IOException {
    try (Stream<Path> files = Files.list(path)) {
      return files.map(file -> file.getFileName().toString()).sorted().toList();
    }
  }

  /// {@return bytes that no file takes, deleted ones that are still open or mapped included}
  public long usableBytes() throws IOException {
    return Files.getFileStore(path).getUsableSpace();
  }

  /// Removes the folder with what is left in it.
  @Override
  public void close() throws IOException {
    useDefault();
    for (String file : files()) {
      Files.delete(path.resolve(file));
    }
    String problem = mounted ? Tool.problemOf(List.of("umount", path.toString())) : "";
    if (!problem.isEmpty()) {
      throw new AssertionError("folder is still in use: " + problem);
    }
    Files.delete(path);
  }
}
