package io.crossdock.ffi;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;

import java.io.IOException;
import java.io.UncheckedIOException;
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
  private static final int INFO = 11; // TCP_INFO, struct tcp_info
  private static final int INFO_LAST_ACK = 56; // tcpi_last_ack_recv, milliseconds ago
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

  /// Bounds how long nothing can be written to connections in which nothing can be written now.
  /// Where the other system was silent for half of that they end at once, as by [#shutFull(int)].
  ///
  /// @param epoll descriptor of the file
  /// @param silence how long the other side may take nothing in; at least a millisecond
  public static void limitFull(int epoll, Duration silence) {
    int millis = Math.clamp(silence.toMillis(), 1, Integer.MAX_VALUE);
    fullSockets(epoll)
        .forEach(file -> {
          if (silentMillis(file) > millis / 2) {
            shut(file);
          } else {
            limit(file, millis);
          }
        });
  }

  /// Ends connections in which nothing can be written now: writing fails at once from now on. What
  /// was written before still leaves.
  ///
  /// @param epoll descriptor of the file
  public static void shutFull(int epoll) {
    fullSockets(epoll).forEach(WatchedSockets::shut);
  }

  private static Stream<Integer> fullSockets(int epoll) {
    return watchedBy(epoll).stream()
        .flatMap(file -> Stream.concat(Stream.of(file), watchedBy(file).stream()))
        .filter(file -> isTcp(file) && isFull(file));
  }

  /// Empty if the file is no `epoll` file.
  private static List<Integer> watchedBy(int file) {
    try (Stream<String> lines = Files.lines(TOLD.resolve(Integer.toString(file)))) {
      return lines
          .filter(line -> line.startsWith(WATCHED))
          .map(line -> line.substring(WATCHED.length()).strip().split(" ", 2)[0])
          .map(Integer::valueOf)
          .toList();
    } catch (IOException | UncheckedIOException _) {
      return List.of();
    }
  }

  private static boolean isTcp(int file) {
    return option(file, SOCKET, PROTOCOL, 0) == TCP;
  }

  /// Since the other system told last what it has.
  private static int silentMillis(int file) {
    return option(file, TCP, INFO, INFO_LAST_ACK);
  }

  /// A number of a socket's option; -1 if it has none.
  private static int option(int file, int level, int name, long at) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment value = arena.allocate(at + Integer.BYTES, Integer.BYTES);
      long size = arena.allocateFrom(JAVA_INT, (int) value.byteSize()).address();
      int code = (int) GETSOCKOPT.invokeExact(file, level, name, value.address(), size);
      return code == 0 ? value.get(JAVA_INT, at) : -1;
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
  }

  private static void limit(int file, int millis) {
    try (Arena arena = Arena.ofConfined()) {
      long value = arena.allocateFrom(JAVA_INT, millis).address();
      int code = (int) SETSOCKOPT.invokeExact(file, TCP, USER_TIMEOUT, value, Integer.BYTES);
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

  private static void shut(int file) {
    try {
      int code = (int) SHUTDOWN.invokeExact(file, BOTH_WAYS);
      // It fails only where the connection has ended meanwhile.
      assert code == 0 || code == -1;
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
  }
}
