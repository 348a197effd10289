package io.crossdock.core.group;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.fail;

import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;
import java.util.function.IntFunction;

/// Ranks on threads of the test, each with a bound.
///
/// Safe for any thread.
final class Ranks {
  /// Longer than anything here takes; a test that needs it all has failed.
  static final Duration AMPLE = Duration.ofSeconds(30);

  private static final long PAUSE_NANOS = 10_000_000;

  static final byte[] SECRET = "a secret of the job".getBytes(StandardCharsets.UTF_8);

  private Ranks() {}

  /// A call on its own thread.
  record Running<T>(Thread thread, CompletableFuture<T> future) {
    T result() throws Exception {
      try {
        return future.get(AMPLE.toSeconds(), TimeUnit.SECONDS);
      } catch (ExecutionException e) {
        throw new AssertionError("a rank failed: " + e.getCause(), e.getCause());
      } catch (TimeoutException e) {
        throw new AssertionError("a rank hangs: " + thread, e);
      }
    }

    /// The exception the call ends with.
    <E extends Exception> E failure(Class<E> type) throws Exception {
      try {
        T result = future.get(AMPLE.toSeconds(), TimeUnit.SECONDS);
        return fail("a rank should have failed: result=" + result);
      } catch (ExecutionException e) {
        assertThat(e.getCause()).isInstanceOf(type);
        return type.cast(e.getCause());
      } catch (TimeoutException e) {
        throw new AssertionError("a rank hangs: " + thread, e);
      }
    }

    /// Returns when the thread waits for something with a bound.
    void awaitWaiting() {
      awaitTrue(() -> thread.getState() == Thread.State.TIMED_WAITING);
    }
  }

  static <T> Running<T> start(Callable<T> call) {
    var future = new CompletableFuture<T>();
    Thread thread =
        Thread.ofPlatform()
            .daemon()
            .start(() -> {
              try {
                future.complete(call.call());
              } catch (Throwable e) {
                future.completeExceptionally(e);
              }
            });
    return new Running<>(thread, future);
  }

  static Running<Void> barrier(ProcessGroup group) {
    return start(() -> {
      group.barrier();
      return null;
    });
  }

  /// Runs the same call for each of several ranks.
  static <T> List<Running<T>> startAll(int size, IntFunction<Callable<T>> call) {
    List<Running<T>> running = new ArrayList<>();
    for (int rank = 0; rank < size; rank++) {
      running.add(start(call.apply(rank)));
    }
    return running;
  }

  static void awaitTrue(BooleanSupplier condition) {
    Deadline bound = Deadline.in(AMPLE);
    while (!condition.getAsBoolean()) {
      assertThat(bound.expired()).as("waited too long").isFalse();
      Thread.onSpinWait();
    }
  }

  static int freePort() throws IOException {
    try (var socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      return socket.getLocalPort();
    }
  }

  static TcpGroupSettings settings(int rank, int size, int port, Duration timeout) {
    return new TcpGroupSettings(rank, size, size, "127.0.0.1", port, SECRET, timeout);
  }

  static Running<ProcessGroup> join(TcpGroupSettings settings) {
    return start(() -> TcpGroup.join(settings));
  }

  /// All members of a new group over TCP, by rank.
  static List<ProcessGroup> tcp(int size, Duration timeout) throws Exception {
    int port = freePort();
    var joining =
        Ranks.<ProcessGroup>startAll(
            size, rank -> () -> TcpGroup.join(settings(rank, size, port, timeout)));
    List<ProcessGroup> members = new ArrayList<>();
    for (var member : joining) {
      members.add(member.result());
    }
    return members;
  }

  static void closeAll(List<ProcessGroup> members) throws Exception {
    var closing =
        startAll(
            members.size(),
            rank ->
                () -> {
                  members.get(rank).close();
                  return null;
                });
    for (var member : closing) {
      member.result();
    }
  }

  /// No thread of a group is left, platform or virtual.
  static void assertNoThreads() {
    awaitTrue(() -> !hasThreads());
  }

  /// To list all threads takes long, and now and then ends a virtual machine whose virtual threads
  /// end meanwhile (25.0.3), so there is a pause behind a look that found some.
  private static boolean hasThreads() {
    boolean found = threadDump().contains("crossdock-group");
    if (found) {
      LockSupport.parkNanos(PAUSE_NANOS);
    }
    return found;
  }

  private static String threadDump() {
    try {
      Path folder = Files.createTempDirectory("crossdock-threads-");
      Path file = folder.resolve("dump");
      try {
        dumpThreads(file);
        return Files.readString(file);
      } finally {
        Files.deleteIfExists(file);
        Files.delete(folder);
      }
    } catch (IOException | ReflectiveOperationException e) {
      throw new AssertionError("threads cannot be listed", e);
    }
  }

  /// Asks the platform's `HotSpotDiagnosticMXBean`, by reflection since the module under test does
  /// not read `jdk.management`.
  private static void dumpThreads(Path file) throws ReflectiveOperationException {
    Class<?> type = Class.forName("com.sun.management.HotSpotDiagnosticMXBean");
    Class<?> format = Class.forName(type.getName() + "$ThreadDumpFormat");
    Object bean =
        Class.forName("java.lang.management.ManagementFactory")
            .getMethod("getPlatformMXBean", Class.class)
            .invoke(null, type);
    type.getMethod("dumpThreads", String.class, format)
        .invoke(bean, file.toString(), format.getField("TEXT_PLAIN").get(null));
  }
}
