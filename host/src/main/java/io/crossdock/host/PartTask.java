package io.crossdock.host;

/// Some consecutive chunks of a task, as a task of its own.
///
/// Prepared on the thread that runs the call; its chunks run on any worker.
final class PartTask implements ChunkTask {
  private ChunkTask task;
  private int first;

  /// {@return this, standing for the chunks of a task from the given one on}
  PartTask of(ChunkTask whole, int firstChunk) {
    task = whole;
    first = firstChunk;
    return this;
  }

  @Override
  public void run(int chunk, int worker) {
    task.run(first + chunk, worker);
  }

  void clear() {
    task = null;
  }
}
