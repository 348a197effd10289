package io.crossdock.host;

import java.lang.foreign.MemorySegment;

/// Copies a run of rows between memories whose rows may lie apart.
///
/// Prepared on the thread that runs the call; its chunks run on any worker.
final class CopyTask implements ChunkTask {
  private static final long CHUNK_BYTES = 256 * 1024;

  private MemorySegment from;
  private MemorySegment to;
  private long fromOffset;
  private long toOffset;
  private long fromPitchBytes;
  private long rowBytes;
  private long numRows;
  private long chunkRows;

  /// Sets where rows come from.
  CopyTask from(MemorySegment segment, long offset, long pitchBytes) {
    from = segment;
    fromOffset = offset;
    fromPitchBytes = pitchBytes;
    return this;
  }

  /// Sets where rows go, without gaps.
  CopyTask to(MemorySegment segment, long offset) {
    to = segment;
    toOffset = offset;
    return this;
  }

  /// Copies on the given number of workers.
  void copy(long rows, long bytes, WorkerPool pool, int workers) {
    if (rows <= 0 || bytes == 0) {
      return;
    }
    numRows = rows;
    rowBytes = bytes;
    chunkRows = Math.max(1, CHUNK_BYTES / bytes);
    pool.run(this, Math.toIntExact((rows + chunkRows - 1) / chunkRows), workers);
    from = null;
    to = null;
  }

  @Override
  public void run(int chunk, int worker) {
    long first = chunk * chunkRows;
    long rows = Math.min(chunkRows, numRows - first);
    if (fromPitchBytes == rowBytes) {
      MemorySegment.copy(
          from, fromOffset + first * rowBytes, to, toOffset + first * rowBytes, rows * rowBytes);
      return;
    }
    for (long row = first; row < first + rows; row++) {
      MemorySegment.copy(
          from, fromOffset + row * fromPitchBytes, to, toOffset + row * rowBytes, rowBytes);
    }
  }
}
