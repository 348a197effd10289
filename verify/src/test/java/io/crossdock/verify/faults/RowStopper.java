package io.crossdock.verify.faults;

import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.crossdock.ffi.LibC;
import io.crossdock.verify.harness.Bounded;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.VarHandle;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.Stream;

/// Stops a peer's process in the middle of a row: watches the row's first word in this rank's
/// window, on a thread of its own, and sends the signal as soon as it changes. Once the process
/// stands still, the row's last word tells whether the row was under way.
///
/// Confined to the thread of the rank.
final class RowStopper implements AutoCloseable {
  private static final VarHandle WORD = JAVA_LONG.varHandle();
  private static final Duration BOUND = Duration.ofSeconds(20);

  private final MemorySegment row;
  private final long pid;
  private final ExecutorService watcher =
      Executors.newSingleThreadExecutor(Thread.ofPlatform().daemon().name("row-watch").factory());

  RowStopper(MemorySegment row, long pid) {
    this.row = row;
    this.pid = pid;
  }

  /// Watches for the next write.
  ///
  /// @param whenCaught done while the peer stands still in the middle of the row
  /// @return true if the peer was caught there; false if it was not, and runs on
  Future<Boolean> arm(Runnable whenCaught) {
    long first = word(0);
    long last = word(row.byteSize() - 8);
    return watcher.submit(() -> {
      boolean caught = watch(first, last);
      if (caught) {
        whenCaught.run();
      }
      return caught;
    });
  }

  private boolean watch(long first, long last) {
    long start = System.nanoTime();
    while (word(0) == first) {
      Thread.onSpinWait();
      if (System.nanoTime() - start > BOUND.toNanos()) {
        throw new AssertionError("row was not written: pid=" + pid);
      }
    }
    LibC.signal(pid, LibC.SIGSTOP);
    Bounded.await("process stops: pid=" + pid, BOUND, () -> isStopped(pid));
    boolean caught = word(row.byteSize() - 8) == last;
    if (!caught) {
      LibC.signal(pid, LibC.SIGCONT);
    }
    return caught;
  }

  private long word(long offset) {
    return (long) WORD.getAcquire(row, offset);
  }

  /// {@return true if every thread of a process stands still}
  static boolean isStopped(long pid) {
    try (Stream<Path> tasks = Files.list(Path.of("/proc/" + pid + "/task"))) {
      List<Path> all = tasks.toList();
      return all.stream().allMatch(RowStopper::isTaskStopped);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static boolean isTaskStopped(Path task) {
    try {
      String stat = Files.readString(task.resolve("stat"));
      return stat.charAt(stat.lastIndexOf(')') + 2) == 'T';
    } catch (IOException e) {
      return true;
    }
  }

  @Override
  public void close() {
    watcher.shutdownNow();
  }
}
