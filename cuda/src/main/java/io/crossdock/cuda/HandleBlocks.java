package io.crossdock.cuda;

import java.util.ArrayDeque;
import java.util.Deque;

/// Device memory of handles. Only kernels of the communication stream use it, so a block may be
/// filled anew at any time by a later call.
///
/// Safe for any thread.
final class HandleBlocks implements AutoCloseable {
  private static final int PREPARED = 4;

  private final GpuMemory memory;
  private final long prefixAt;
  private final long positionsAt;
  private final long sourcesAt;
  private final long byteSize;
  private final Deque<Block> free = new ArrayDeque<>();
  private final Deque<Block> taken = new ArrayDeque<>();

  /// Where the parts of a handle lie on the device.
  ///
  /// @param epoch u64
  /// @param prefix i64[R][R]
  /// @param positions i32[tokens][R]
  /// @param sources i32 of each received row
  record Block(long epoch, long prefix, long positions, long sources) {}

  /// @param maxTokens of a rank
  HandleBlocks(GpuMemory memory, int numRanks, int maxTokens) {
    this.memory = memory;
    Cursor cursor = new Cursor();
    cursor.take(1, Long.BYTES);
    prefixAt = cursor.take((long) numRanks * numRanks, Long.BYTES);
    positionsAt = cursor.take((long) maxTokens * numRanks, Integer.BYTES);
    sourcesAt = cursor.take((long) maxTokens * numRanks, Integer.BYTES);
    byteSize = cursor.end(Cursor.LINE_BYTES);
    for (int i = 0; i < PREPARED; i++) {
      free.add(allocate());
    }
  }

  /// Allocates without the lock: what the garbage collector finds meanwhile comes in.
  Block take() {
    Block block;
    synchronized (this) {
      block = free.poll();
    }
    return block != null ? block : allocate();
  }

  synchronized void giveBack(Block block) {
    free.push(block);
  }

  private Block allocate() {
    long address = memory.take(byteSize);
    Block block =
        new Block(address, address + prefixAt, address + positionsAt, address + sourcesAt);
    synchronized (this) {
      taken.add(block);
    }
    return block;
  }

  @Override
  public synchronized void close() {
    for (Block block = taken.poll(); block != null; block = taken.poll()) {
      memory.giveBack(block.epoch);
    }
  }
}
