package io.crossdock.ffi;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.stream.Stream;

/// The TCP sockets that a Linux `epoll` file watches, also by way of `epoll` files that it watches.
/// They belong to the library that made the file; what is done to them here makes the waits of such
/// a library bounded. Where the system does not tell which they are there are none.
///
/// Confined to the thread that uses the library.
public final class WatchedSockets {
  private static final Path TOLD = Path.of("/proc/self/fdinfo");
  private static final String WATCHED = "tfd:";
  private static final int SOCKET = 1; // SOL_SOCKET
  private static final int PROTOCOL = 38; // SO_PROTOCOL, int
  private static final int TCP = 6; // IPPROTO_TCP
  private static final int USER_TIMEOUT = 18; // TCP_USER_TIMEOUT, unsigned int of milliseconds
  private static final int BOTH_WAYS = 2; // SHUT_RDWR
  private static final short POLLOUT = 4;
  private static final int ENTRY_BYTES = 8; // struct pollfd: int fd; short events, revents
  private static final int EVENTS = 4;
  private static final NativeLibrary LIBRARY = NativeLibrary.standard();
  private static final MethodHandle SETSOCKOPT =
      LIBRARY.bind(
          "setsockopt",
          FunctionDescriptor.of(JAVA_INT, JAVA_INT, JAVA_INT, JAVA_INT, JAVA_LONG, JAVA_INT));
  private static final MethodHandle GETSOCKOPT =
      LIBRARY.bind(
          "getsockopt",
          FunctionDescriptor.of(JAVA_INT, JAVA_INT, JAVA_INT, JAVA_INT, JAVA_LONG, JAVA_LONG));
  private static final MethodHandle SHUTDOWN =
      LIBRARY.bind("shutdown", FunctionDescriptor.of(JAVA_INT, JAVA_INT, JAVA_INT));
  private static final MethodHandle POLL =
      LIBRARY.bind("poll", FunctionDescriptor.of(JAVA_INT, JAVA_LONG, JAVA_LONG, JAVA_INT));

  private WatchedSockets() {}

  /// Has the system end connections whose other side took nothing in for some time.
  ///
  /// @param epoll descriptor of the file
  /// @param silence at most so long; at least a millisecond
  public static void limitSilence(int epoll, Duration silence) {
    long millis = Math.clamp(silence.toMillis(), 1, Integer.MAX_VALUE);
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment value = arena.allocateFrom(JAVA_INT, (int) millis);
      tcpSockets(epoll).forEach(file -> limit(file, value));
    }
  }

  /// Ends connections in which nothing can be written now: writing fails at once from now on. What
  /// was written before still leaves.
  ///
  /// @param epoll descriptor of the file
  /// @return how many
  public static int shutFull(int epoll) {
    return (int)
        tcpSockets(epoll).filter(WatchedSockets::isFull).filter(WatchedSockets::shut).count();
  }

  private static Stream<Integer> tcpSockets(int epoll) {
    return watchedBy(epoll).stream()
        .flatMap(file -> Stream.concat(Stream.of(file), watchedBy(file).stream()))
        .filter(WatchedSockets::isTcp);
  }

  /// Empty if the file is no `epoll` file.
  private static List<Integer> watchedBy(int file) {
    try (Stream<String> lines = Files.lines(TOLD.resolve(Integer.toString(file)))) {
      return lines
          .filter(line -> line.startsWith(WATCHED))
          .map(line -> line.substring(WATCHED.length()).strip().split(" ", 2)[0])
          .map(Integer::valueOf)
          .toList();
    } catch (IOException _) {
      return List.of();
    }
  }

  private static boolean isTcp(int file) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment value = arena.allocate(JAVA_INT);
      long size = arena.allocateFrom(JAVA_INT, Integer.BYTES).address();
      int code = (int) GETSOCKOPT.invokeExact(file, SOCKET, PROTOCOL, value.address(), size);
      return code == 0 && value.get(JAVA_INT, 0) == TCP;
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
  }

  private static void limit(int file, MemorySegment value) {
    try {
      int code =
          (int) SETSOCKOPT.invokeExact(file, TCP, USER_TIMEOUT, value.address(), Integer.BYTES);
      // It fails only where the library has closed the socket meanwhile.
      assert code == 0 || code == -1;
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
  }

  private static boolean isFull(int file) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment entry = arena.allocate(ENTRY_BYTES, ENTRY_BYTES);
      entry.set(JAVA_INT, 0, file);
      entry.set(JAVA_SHORT, EVENTS, POLLOUT);
      return (int) POLL.invokeExact(entry.address(), 1L, 0) == 0;
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
  }

  private static boolean shut(int file) {
    try {
      return (int) SHUTDOWN.invokeExact(file, BOTH_WAYS) == 0;
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
  }
}
