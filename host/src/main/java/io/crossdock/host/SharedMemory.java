package io.crossdock.host;

import io.crossdock.core.WindowAllocationException;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Set;
import java.util.UUID;

/// One rank's shared memory: a file in `/dev/shm` that loses its name the moment it is made, so
/// that no crash can leave it behind. Peers map it through `/proc/PID/fd/N`.
///
/// The file is written, not left sparse: when `/dev/shm` is full that is an error here, not a bus
/// error later.
///
/// Confined to the thread that opens the buffer.
final class SharedMemory implements AutoCloseable {
  /// Begins the names of windows.
  static final String WINDOWS = "crossdock-";

  private static final int FILL_BYTES = 1 << 20;
  private static final Set<PosixFilePermission> OWNER_ONLY =
      PosixFilePermissions.fromString("rw-------");

  private final FileChannel channel;
  private final String link;

  private SharedMemory(FileChannel channel, String link) {
    this.channel = channel;
    this.link = link;
  }

  /// {@return where windows live: `/dev/shm` unless the property `crossdock.shm.dir` says
  /// otherwise}
  static Path directory() {
    return Path.of(System.getProperty("crossdock.shm.dir", "/dev/shm"));
  }

  /// Makes memory of zeros.
  ///
  /// @param prefix of the file's name
  /// @param byteSize bytes
  /// @param rank whose it is
  static SharedMemory create(String prefix, long byteSize, int rank) {
    Path directory = directory();
    String name = prefix + ProcessHandle.current().pid() + "-" + rank + "-" + UUID.randomUUID();
    FileChannel channel = null;
    try {
      checkSpace(directory, byteSize, rank);
      channel =
          FileChannel.open(
              directory.resolve(name),
              Set.of(
                  StandardOpenOption.CREATE_NEW,
                  StandardOpenOption.READ,
                  StandardOpenOption.WRITE,
                  StandardOpenOption.DELETE_ON_CLOSE),
              PosixFilePermissions.asFileAttribute(OWNER_ONLY));
      fill(channel, byteSize);
      return new SharedMemory(channel, findLink(name));
    } catch (IOException | OutOfMemoryError e) {
      closeQuietly(channel, e);
      throw failure("shared memory could not be had", directory, byteSize, rank, e);
    }
  }

  private static void checkSpace(Path directory, long byteSize, int rank) throws IOException {
    long usable = Files.getFileStore(directory).getUsableSpace();
    if (usable < byteSize) {
      throw new WindowAllocationException(
          "shared memory is too small for the windows: rank="
              + rank
              + ", directory="
              + directory
              + ", neededBytes="
              + byteSize
              + ", usableBytes="
              + usable
              + ", remedy=enlarge it or set a smaller capacityRows");
    }
  }

  private static WindowAllocationException failure(
      String what, Path directory, long byteSize, int rank, Throwable cause) {
    WindowAllocationException failure =
        new WindowAllocationException(
            what
                + ": rank="
                + rank
                + ", directory="
                + directory
                + ", neededBytes="
                + byteSize
                + ", cause="
                + cause);
    failure.initCause(cause);
    return failure;
  }

  private static void fill(FileChannel channel, long byteSize) throws IOException {
    ByteBuffer zeros = ByteBuffer.allocateDirect(FILL_BYTES);
    for (long at = 0; at < byteSize; ) {
      zeros.clear().limit((int) Math.min(FILL_BYTES, byteSize - at));
      at += channel.write(zeros, at);
    }
  }

  private static String findLink(String name) throws IOException {
    long pid = ProcessHandle.current().pid();
    try (DirectoryStream<Path> open = Files.newDirectoryStream(Path.of("/proc/self/fd"))) {
      for (Path fd : open) {
        if (Files.isSymbolicLink(fd) && readLink(fd).contains(name)) {
          return "/proc/" + pid + "/fd/" + fd.getFileName();
        }
      }
    }
    throw new IOException("no descriptor of the shared file in /proc/self/fd: name=" + name);
  }

  private static String readLink(Path fd) {
    try {
      return Files.readSymbolicLink(fd).toString();
    } catch (IOException e) {
      return "";
    }
  }

  /// {@return the path under which peers of this machine reach the memory while this is open}
  String link() {
    return link;
  }

  /// Maps a rank's memory.
  ///
  /// @param link the rank's [#link()]
  /// @param byteSize bytes to map
  /// @param arena unmaps it
  /// @return the memory
  static MemorySegment map(String link, long byteSize, Arena arena) {
    try (FileChannel peer =
        FileChannel.open(Path.of(link), StandardOpenOption.READ, StandardOpenOption.WRITE)) {
      return peer.map(FileChannel.MapMode.READ_WRITE, 0, byteSize, arena);
    } catch (IOException e) {
      WindowAllocationException failure =
          new WindowAllocationException(
              "shared memory of a peer could not be mapped: link="
                  + link
                  + ", byteSize="
                  + byteSize
                  + ", cause="
                  + e);
      failure.initCause(e);
      throw failure;
    }
  }

  private static void closeQuietly(FileChannel channel, Throwable cause) {
    if (channel == null) {
      return;
    }
    try {
      channel.close();
    } catch (IOException e) {
      cause.addSuppressed(e);
    }
  }

  /// Closes the descriptor; mappings stay.
  @Override
  public void close() {
    try {
      channel.close();
    } catch (IOException e) {
      WindowAllocationException failure =
          new WindowAllocationException("shared memory could not be closed: cause=" + e);
      failure.initCause(e);
      throw failure;
    }
  }
}
