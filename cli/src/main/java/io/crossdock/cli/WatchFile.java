package io.crossdock.cli;

import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.crossdock.core.watch.WaitBuckets;
import io.crossdock.core.watch.WaitSummary;
import io.crossdock.core.watch.WatchLayout;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.VarHandle;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/// The counters of one rank, mapped for reading; each [#next()] tells what was added.
///
/// Confined to the thread that opened it.
final class WatchFile implements AutoCloseable {
  private static final VarHandle LONG = JAVA_LONG.varHandle();

  private final long pid;
  private final Arena arena;
  private final MemorySegment memory;
  private final int rank;
  private final long[][] before;

  /// Waits of a rank for a peer.
  ///
  /// @param pid process of the rank
  /// @param rank that waited
  /// @param peer that it waited for
  /// @param waits since the last look
  record Line(long pid, int rank, int peer, WaitSummary waits) {}

  private WatchFile(long pid, Arena arena, MemorySegment memory) {
    this.pid = pid;
    this.arena = arena;
    this.memory = memory;
    this.rank = (int) memory.get(JAVA_LONG, WatchLayout.RANK_AT);
    this.before = new long[numRanks(memory)][WaitBuckets.COUNT];
    next();
  }

  private static int numRanks(MemorySegment memory) {
    return (int) memory.get(JAVA_LONG, WatchLayout.NUM_RANKS_AT);
  }

  /// Maps a file.
  ///
  /// @param pid process of the rank
  /// @param link `/proc/PID/fd/N`
  /// @return nothing while the rank is still making it
  /// @throws IOException if it went away
  /// @throws IllegalStateException if it is of another format
  static Optional<WatchFile> open(long pid, Path link) throws IOException {
    Arena arena = Arena.ofConfined();
    try {
      MemorySegment memory = map(link, arena);
      if (isReady(memory)) {
        checkVersion(pid, memory);
        return Optional.of(new WatchFile(pid, arena, memory));
      }
    } catch (IOException | RuntimeException e) {
      arena.close();
      throw e;
    }
    arena.close();
    return Optional.empty();
  }

  private static MemorySegment map(Path link, Arena arena) throws IOException {
    try (FileChannel file = FileChannel.open(link, StandardOpenOption.READ)) {
      return file.map(FileChannel.MapMode.READ_ONLY, 0, file.size(), arena);
    }
  }

  /// True once the header is whole; pairs with the release store of the rank.
  private static boolean isReady(MemorySegment memory) {
    return memory.byteSize() >= WatchLayout.HEADER_BYTES
        && (long) LONG.getAcquire(memory, WatchLayout.MAGIC_AT) == WatchLayout.MAGIC;
  }

  private static void checkVersion(long pid, MemorySegment memory) {
    long version = memory.get(JAVA_LONG, WatchLayout.VERSION_AT);
    if (version != WatchLayout.VERSION
        || memory.get(JAVA_LONG, WatchLayout.NUM_BUCKETS_AT) != WaitBuckets.COUNT
        || memory.byteSize() != WatchLayout.byteSize(numRanks(memory))) {
      throw new IllegalStateException(
          "watch file has another format: pid="
              + pid
              + ", version="
              + version
              + ", expected="
              + WatchLayout.VERSION
              + ", remedy=use the doctor of the same Crossdock");
    }
  }

  /// {@return a line for each peer that was waited for since the last look}
  List<Line> next() {
    List<Line> lines = new ArrayList<>();
    long[] added = new long[WaitBuckets.COUNT];
    for (int peer = 0; peer < before.length; peer++) {
      for (int bucket = 0; bucket < added.length; bucket++) {
        long now = (long) LONG.getOpaque(memory, WatchLayout.counterAt(peer, bucket));
        added[bucket] = now - before[peer][bucket];
        before[peer][bucket] = now;
      }
      WaitSummary waits = WaitSummary.of(added);
      if (waits.count() > 0) {
        lines.add(new Line(pid, rank, peer, waits));
      }
    }
    return lines;
  }

  @Override
  public void close() {
    arena.close();
  }
}
