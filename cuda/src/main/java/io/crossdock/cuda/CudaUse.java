package io.crossdock.cuda;

import io.crossdock.cuda.driver.Owned;
import java.util.Map;
import java.util.TreeMap;

/// What the process holds of its GPUs, so that a test can tell a leak: after everything is closed
/// there is as much as before it was opened. What all buffers on a GPU share stays: the context,
/// the kernels, a pool and a stream.
///
/// Safe for any thread.
public final class CudaUse {
  private CudaUse() {}

  /// Counts native things that live. Memory that was given back, or became unreachable, still
  /// counts until the GPU has passed its last use and, if nothing else is allocated, until this is
  /// called again.
  ///
  /// @return how many there are of each kind: `context`, `module`, `memory pool`, `pool block`,
  ///   `device memory`, `memory of a peer`, `address range`, `pinned memory`, `stream`, `event`,
  ///   `graph`, `executable graph`; none are left out
  public static Map<String, Integer> live() {
    CudaGpu.giveBackUnused();
    Map<String, Integer> counts = new TreeMap<>();
    for (Owned kind : Owned.values()) {
      if (kind.live() > 0) {
        counts.put(kind.toString(), kind.live());
      }
    }
    return counts;
  }
}
