package io.crossdock.cuda;

import io.crossdock.cuda.driver.DeviceMemory;
import java.util.HashMap;
import java.util.Map;

/// The memory of ranks that are threads of this process. Peers write flags into a rank's memory
/// until they are done themselves, so it is freed when the last rank of the process closed its
/// buffer.
///
/// Safe for any thread.
final class SharedWindows {
  private static final Map<Long, SharedWindows> LIVE = new HashMap<>();

  private final DeviceMemory memory;
  private int holders;

  private SharedWindows(DeviceMemory memory, int holders) {
    this.memory = memory;
    this.holders = holders;
  }

  /// Hands memory over.
  ///
  /// @param holders ranks of this process that can reach it, its owner included
  static void share(DeviceMemory memory, int holders) {
    synchronized (LIVE) {
      LIVE.put(memory.address(), new SharedWindows(memory, holders));
    }
  }

  /// Ends the use of one holder.
  static void release(long address) {
    DeviceMemory unused = null;
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
