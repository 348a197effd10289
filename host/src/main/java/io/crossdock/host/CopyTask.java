package io.crossdock.host;

import io.crossdock.ffi.StreamingCopy;
import java.lang.foreign.MemorySegment;

/// Copies a run of rows between memories whose rows may lie apart.
///
/// Prepared on the thread that runs the call; its chunks run on any worker.
final class CopyTask implements ChunkTask {
  /// A call that writes at least so many bytes goes past the caches: they would not hold them until
  /// somebody reads them.
  static final long STREAMED_BYTES = 1 << 20;

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

  /// Copies on the given number of workers, and forgets where from and where to.
  void copy(long rows, long bytes, WorkerPool pool, int workers) {
    try {
      if (rows > 0 && bytes > 0) {
        numRows = rows;
        rowBytes = bytes;
        chunkRows = Math.max(1, CHUNK_BYTES / bytes);
        pool.run(this, Math.toIntExact((rows + chunkRows - 1) / chunkRows), workers);
      }
    } finally {
      from = null;
      to = null;
    }
  }

  @Override
  public void run(int chunk, int worker) {
    long first = chunk * chunkRows;
    long rows = Math.min(chunkRows, numRows - first);
    if (fromPitchBytes == rowBytes) {
      copy(fromOffset + first * rowBytes, toOffset + first * rowBytes, rows * rowBytes);
      return;
    }
    for (long row = first; row < first + rows; row++) {
      copy(fromOffset + row * fromPitchBytes, toOffset + row * rowBytes, rowBytes);
    }
  }

  private void copy(long source, long target, long bytes) {
    if (numRows * rowBytes >= STREAMED_BYTES) {
      StreamingCopy.copy(from, source, to, target, bytes);
    } else {
      MemorySegment.copy(from, source, to, target, bytes);
    }
  }
}
