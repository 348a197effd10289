package io.crossdock.cli;

import io.crossdock.core.CrossdockException;
import io.crossdock.ffi.LibC;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

/// The yard-stick on the host: copies bytes with the C library's `memcpy`, each thread its own
/// part. All threads of all ranks exist before the start and leave the line together, so that
/// nothing but copying is timed.
///
/// Confined to one thread.
final class CopyProbe implements AutoCloseable {
  private static final int PAGE_BYTES = 4096;

  private final MemorySegment from;
  private final MemorySegment to;
  private final int numThreads;
  private final ExecutorService helpers;

  /// @param arena of the two buffers
  /// @param maxBytes most that is ever copied at once
  /// @param numThreads that copy, this one too
  CopyProbe(Arena arena, long maxBytes, int numThreads) {
    this.from = arena.allocate(Math.max(1, maxBytes), PAGE_BYTES).fill((byte) 1);
    this.to = arena.allocate(Math.max(1, maxBytes), PAGE_BYTES).fill((byte) 2);
    this.numThreads = numThreads;
    this.helpers =
        Executors.newCachedThreadPool(Thread.ofPlatform().daemon().name("copy-", 1).factory());
  }

  /// Copies on all ranks at once.
  ///
  /// @param bytes of this rank
  /// @param line where all ranks start
  /// @return microseconds from the start until this rank's copy was done
  double micros(long bytes, StartLine line) {
    long start = line.agreeOnStart();
    List<Future<Long>> ends = new ArrayList<>();
    for (int part = 1; part < numThreads; part++) {
      int mine = part;
      ends.add(helpers.submit(() -> copy(mine, bytes, start)));
    }
    long end = copy(0, bytes, start);
    for (Future<Long> other : ends) {
      end = Math.max(end, join(other));
    }
    return (end - start) / 1e3;
  }

  private long copy(int part, long bytes, long start) {
    long at = bytes * part / numThreads;
    long length = bytes * (part + 1) / numThreads - at;
    StartLine.awaitInstant(start);
    LibC.copy(to.asSlice(at, length), from.asSlice(at, length), length);
    return System.nanoTime();
  }

  private static long join(Future<Long> end) {
    try {
      return end.get();
    } catch (ExecutionException e) {
      throw new CrossdockException("copy failed: cause=" + e.getCause(), e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new CrossdockException("interrupted while copying", e);
    }
  }

  @Override
  public void close() {
    helpers.close();
  }
}
