package io.crossdock.host;

import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.crossdock.core.watch.WaitBuckets;
import io.crossdock.core.watch.WatchLayout;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.VarHandle;

/// The watch file of one rank: counters of waits that `doctor --watch` reads while the session
/// lives. Like a window it loses its name at once; watchers find it by the descriptor, which
/// therefore stays open.
///
/// Written by one thread at a time, which [WaitTimes] says why; read from other processes, by which
/// a count is seen late but never torn.
final class WaitHistogram implements AutoCloseable {
  private static final VarHandle LONG = JAVA_LONG.varHandle();

  private final SharedMemory file;
  private final MemorySegment memory;

  private WaitHistogram(SharedMemory file, MemorySegment memory) {
    this.file = file;
    this.memory = memory;
  }

  /// Makes the file.
  ///
  /// @param rank that writes
  /// @param numRanks R
  /// @param arena unmaps it
  static WaitHistogram create(int rank, int numRanks, Arena arena) {
    long bytes = WatchLayout.byteSize(numRanks);
    SharedMemory file = SharedMemory.create(WatchLayout.FILE_PREFIX, bytes, rank);
    try {
      MemorySegment memory = SharedMemory.map(file.link(), bytes, arena);
      memory.set(JAVA_LONG, WatchLayout.VERSION_AT, WatchLayout.VERSION);
      memory.set(JAVA_LONG, WatchLayout.RANK_AT, rank);
      memory.set(JAVA_LONG, WatchLayout.NUM_RANKS_AT, numRanks);
      memory.set(JAVA_LONG, WatchLayout.NUM_BUCKETS_AT, WaitBuckets.COUNT);
      publishReady(memory);
      return new WaitHistogram(file, memory);
    } catch (RuntimeException | Error e) {
      file.close();
      throw e;
    }
  }

  /// Publishes that the header is whole; pairs with the acquire load of the watcher.
  private static void publishReady(MemorySegment memory) {
    LONG.setRelease(memory, WatchLayout.MAGIC_AT, WatchLayout.MAGIC);
  }

  /// Counts one wait.
  void count(int peer, long nanos) {
    long at = WatchLayout.counterAt(peer, WaitBuckets.of(nanos));
    LONG.setOpaque(memory, at, (long) LONG.getOpaque(memory, at) + 1);
  }

  /// {@return the path under which the file is found while this is open}
  String link() {
    return file.link();
  }

  /// Closes the descriptor; the arena unmaps.
  @Override
  public void close() {
    file.close();
  }
}
