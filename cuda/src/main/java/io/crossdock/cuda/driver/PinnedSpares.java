package io.crossdock.cuda.driver;

import java.util.ArrayDeque;
import java.util.Deque;
import java.util.HashMap;
import java.util.Map;

/// Pinned memory that nobody uses any more, kept for who asks next. The driver frees such memory
/// only when the whole GPU is idle, and holds its lock meanwhile: a thread that frees would wait
/// for the kernel of another rank, and that kernel for a launch that waits for the lock.
///
/// Safe for any thread.
final class PinnedSpares {
  private static final long SMALLEST_BYTES = 4096;

  private final Map<Long, Deque<Block>> blocks = new HashMap<>();

  /// Memory as the host sees it, and as kernels do.
  ///
  /// Safe for any thread.
  record Block(long address, long deviceAddress, long byteSize) {}

  /// {@return the size of the blocks that hold so many bytes: a power of two}
  static long roundUp(long byteSize) {
    return 2 * Long.highestOneBit(Math.max(SMALLEST_BYTES, byteSize) - 1);
  }

  /// {@return a block of this size, or null if there is none}
  synchronized Block take(long byteSize) {
    Deque<Block> alike = blocks.get(byteSize);
    return alike == null ? null : alike.poll();
  }

  /// Keeps a block that no work of a GPU uses any more.
  synchronized void keep(Block block) {
    blocks.computeIfAbsent(block.byteSize, _ -> new ArrayDeque<>()).push(block);
  }

  /// Frees everything.
  synchronized void close() {
    for (Deque<Block> alike : blocks.values()) {
      for (Block block : alike) {
        Driver.checkRelease(Driver.HOST_FREE, Driver.HOST_FREE.call(block.address));
      }
    }
    blocks.clear();
  }
}
