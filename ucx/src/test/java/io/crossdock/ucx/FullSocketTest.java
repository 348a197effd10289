package io.crossdock.ucx;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;

import io.crossdock.core.Mode;
import io.crossdock.core.spi.TransportSettings;
import io.crossdock.ffi.NativeLibrary;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/// A peer is stopped when messages to it have filled its socket to the brim, none of them in part:
/// there UCX waits in a loop of its own for room to say that an endpoint ends.
///
/// Confined to the thread of the test.
final class FullSocketTest {
  private static final Duration TIMEOUT = Duration.ofSeconds(4);
  private static final Duration SOON = Duration.ofSeconds(10);
  private static final Path OPEN_FILES = Path.of("/proc/self/fd");
  private static final int SIOCOUTQ = 0x5411;
  private static final int DONTWAIT_NOSIGNAL = 0x4040;
  private static final long FILLER_BYTES = 1 << 16;
  private static final int POLLOUT = 4;
  private static final int SETTLED_MILLIS = 500;
  private static final NativeLibrary LIBC = NativeLibrary.standard();
  private static final MethodHandle IOCTL =
      LIBC.bind("ioctl", FunctionDescriptor.of(JAVA_INT, JAVA_INT, JAVA_LONG, JAVA_LONG));
  private static final MethodHandle SEND =
      LIBC.bind("send", FunctionDescriptor.of(JAVA_LONG, JAVA_INT, JAVA_LONG, JAVA_LONG, JAVA_INT));

  private static final MethodHandle POLL =
      LIBC.bind("poll", FunctionDescriptor.of(JAVA_INT, JAVA_LONG, JAVA_LONG, JAVA_INT));

  private final Arena arena = Arena.ofAuto();
  private final MemorySegment region = Ucx.memory(arena, PeerProcess.REGION_BYTES);
  private final MemorySegment filler = Ucx.memory(arena, FILLER_BYTES);

  @BeforeAll
  static void needUcx() {
    Ucx.require();
  }

  private UcxTransport open(Duration timeout) {
    return Ucx.open(
        PutsKind.MESSAGES, new TransportSettings(Mode.NORMAL, 0, 2, 1, true, timeout), region);
  }

  /// Stops the peer, sends messages until one is seen in the socket, and fills what is left of
  /// that.
  private void stopAndFill(PeerProcess peer, UcxTransport transport) throws Exception {
    peer.connect(transport);
    peer.kill("STOP");
    List<Integer> sockets = new ArrayList<>();
    Ucx.await(
        () -> {
          transport.signal(1, PeerProcess.MARK_AT, 1);
          transport.progress();
          sockets.addAll(used());
          return !sockets.isEmpty();
        },
        transport);
    assertThat(transport.pending()).as("messages not in the socket yet").isZero();
    sockets.forEach(this::fill);
  }

  /// Sockets with something that the other system has not told to have.
  private List<Integer> used() {
    try (Stream<Path> files = Files.list(OPEN_FILES)) {
      return files
          .map(path -> Integer.valueOf(path.getFileName().toString()))
          .filter(file -> bytesLeft(file) > 0)
          .toList();
    } catch (IOException e) {
      throw new AssertionError(e);
    }
  }

  private int bytesLeft(int file) {
    MemorySegment left = arena.allocate(JAVA_INT);
    try {
      int code = (int) IOCTL.invokeExact(file, (long) SIOCOUTQ, left.address());
      return code == 0 ? left.get(JAVA_INT, 0) : 0;
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
  }

  /// Fills a socket until the other system, too, has no room any more.
  private void fill(int socket) {
    do {
      sendAll(socket, FILLER_BYTES);
    } while (hasRoomSoon(socket));
    sendAll(socket, 1);
  }

  private void sendAll(int socket, long bytes) {
    long sent = bytes;
    while (sent > 0) {
      sent = send(socket, bytes);
    }
  }

  private boolean hasRoomSoon(int socket) {
    MemorySegment entry = arena.allocate(2L * Integer.BYTES, Integer.BYTES);
    entry.set(JAVA_INT, 0, socket);
    entry.set(JAVA_INT, Integer.BYTES, POLLOUT);
    try {
      return (int) POLL.invokeExact(entry.address(), 1L, SETTLED_MILLIS) > 0;
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
  }

  private long send(int socket, long bytes) {
    try {
      return (long) SEND.invokeExact(socket, filler.address(), bytes, DONTWAIT_NOSIGNAL);
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
  }

  /// Fails if the work does not end, and leaves it to itself then.
  private static void inTime(Runnable work) {
    CompletableFuture<Void> end = new CompletableFuture<>();
    Thread.ofPlatform()
        .daemon()
        .start(() -> {
          work.run();
          end.complete(null);
        });
    assertThatCode(() -> end.get(SOON.toSeconds(), TimeUnit.SECONDS)).doesNotThrowAnyException();
  }

  /// Long before the time-out.
  @Test
  void closeEndsAtOnce() throws Exception {
    try (PeerProcess peer = PeerProcess.start()) {
      UcxTransport transport = open(SOON.multipliedBy(3));
      stopAndFill(peer, transport);
      transport.giveUp(1, "takes nothing in");
      inTime(transport::close);
      assertThat(transport.hasLetGo()).isTrue();
    }
  }

  /// Others are served again soon after the time-out, at the latest.
  @Test
  void aPeerIsGivenUpInBoundedTime() throws Exception {
    try (PeerProcess peer = PeerProcess.start()) {
      UcxTransport transport = open(TIMEOUT);
      stopAndFill(peer, transport);
      transport.giveUp(1, "takes nothing in");
      inTime(() -> IntStream.range(0, 100).forEach(_ -> transport.progress()));
      inTime(transport::close);
      assertThat(transport.hasLetGo()).isTrue();
    }
  }
}
