package io.crossdock.cuda;

import io.crossdock.cuda.driver.ShareableMemory;
import java.util.HashMap;
import java.util.Map;

/// The memory of ranks that are threads of this process. Peers write flags into a rank's memory
/// until they are done themselves, so it is freed when the last rank of the process closed its
/// buffer.
///
/// Safe for any thread.
final class SharedWindows {
  private static final Map<Long, SharedWindows> LIVE = new HashMap<>();

  private final ShareableMemory memory;
  private int holders;

  private SharedWindows(ShareableMemory memory, int holders) {
    this.memory = memory;
    this.holders = holders;
  }

  /// Hands memory over.
  ///
  /// @param holders ranks of this process that can reach it, its owner included
  static void share(ShareableMemory memory, int holders) {
    synchronized (LIVE) {
      LIVE.put(memory.address(), new SharedWindows(memory, holders));
    }
  }

  /// Ends the use of one holder.
  static void release(long address) {
    ShareableMemory unused = null;
    synchronized (LIVE) {
      SharedWindows shared = LIVE.get(address);
      if (shared != null && --shared.holders == 0) {
        LIVE.remove(address);
        unused = shared.memory;
      }
    }
    if (unused != null) {
      unused.close();
    }
  }
}
