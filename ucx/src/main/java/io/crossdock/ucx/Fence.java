package io.crossdock.ucx;

import io.crossdock.ucx.binding.Worker;

/// Counts the fences of a worker, so that none is made twice.
///
/// Confined to one thread at a time.
final class Fence {
  private final Worker worker;
  private long count;

  Fence(Worker worker) {
    this.worker = worker;
  }

  long count() {
    return count;
  }

  /// Makes a fence, unless there was one since.
  ///
  /// @param since the count when something was put last; negative for never
  void after(long since) {
    if (since == count) {
      worker.fence();
      count++;
    }
  }
}
