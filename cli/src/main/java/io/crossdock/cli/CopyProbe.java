package io.crossdock.cli;

import io.crossdock.core.CrossdockException;
import io.crossdock.ffi.LibC;
import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;

/// Copies bytes with the C library's `memcpy` on a number of threads.
///
/// Confined to one thread.
final class CopyProbe {
  private static final Duration LIMIT = Duration.ofSeconds(60);

  private final MemorySegment from;
  private final MemorySegment to;
  private final long bytes;

  CopyProbe(MemorySegment from, MemorySegment to, long bytes) {
    this.from = from;
    this.to = to;
    this.bytes = bytes;
  }

  void run(int numThreads) {
    long part = bytes / Math.max(1, numThreads);
    List<Thread> helpers = new ArrayList<>();
    for (int i = 1; i < numThreads; i++) {
      long at = i * part;
      helpers.add(Thread.ofPlatform().start(() -> copy(at, part)));
    }
    copy(0, part);
    for (Thread helper : helpers) {
      join(helper);
    }
  }

  private void copy(long at, long length) {
    LibC.copy(to.asSlice(at, length), from.asSlice(at, length), length);
  }

  private static void join(Thread helper) {
    try {
      if (!helper.join(LIMIT)) {
        throw new CrossdockException("copy did not end: thread=" + helper.getName());
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new CrossdockException("interrupted while copying: thread=" + helper.getName(), e);
    }
  }
}
