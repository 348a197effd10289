package io.crossdock.host;

import io.crossdock.core.spi.LowLatencyCombineCall;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;

/// Sends the expert outputs of this rank into the lanes of their homes: the outputs for a source's
/// rows lie side by side here and there, so plain rows go in one copy for each expert and source.
///
/// Prepared on the thread that runs the call; its chunks run on any worker.
final class LowLatencyReplyTask implements ChunkTask {
  private final LowLatencyContext context;
  private final LogFmtKernel encoder;

  /// Bytes by worker: an atomic counter would wait until rows reached the peer.
  private long[] written = new long[0];

  private long[] left = new long[0];
  private HostLowLatencyHandle handle;
  private MemorySegment y;
  private boolean encoded;
  private long rowBytes;
  private long resultRows;
  private long epoch;
  private long numRows;
  private int numBlocks;
  private int numChunks;

  /// Bytes of each encoded row for a far home, by slot.
  private final int[][] encodedBytes;

  LowLatencyReplyTask(LowLatencyContext context, LogFmtKernel encoder) {
    this.context = context;
    this.encoder = encoder;
    this.encodedBytes = new int[context.numRanks][0];
  }

  void prepare(LowLatencyCombineCall call, int workers) {
    handle = (HostLowLatencyHandle) call.handle;
    y = Memory.of(call.y);
    encoded = LowLatencyCombine.isEncoded(call.format);
    rowBytes = context.hidden * 2L;
    resultRows = (long) handle.numMaxTokens * context.numRanks;
    epoch = call.epoch;
    if (written.length < workers) {
      written = new long[workers];
      left = new long[workers];
    }
    Arrays.fill(written, 0);
    Arrays.fill(left, 0);
    numRows = 0;
    for (int expert = 0; expert < handle.numLocalExperts(); expert++) {
      numRows += handle.total(expert);
    }
    numBlocks = handle.numLocalExperts() * context.numRanks;
    numChunks = LowLatencyContext.chunks(numRows * rowBytes, numBlocks);
    for (int source = 0; encoded && source < context.numRanks; source++) {
      int rows = context.lanes.isNear(source) ? 0 : rowsOf(source);
      if (encodedBytes[source].length < rows) {
        encodedBytes[source] = new int[rows];
      }
    }
  }

  /// Rows that a source sent to the experts of this rank.
  private int rowsOf(int source) {
    int last = handle.numLocalExperts() - 1;
    return handle.firstSlot(source, last) + handle.count(source, last);
  }

  /// Puts the rows for far homes, which lie in images of lanes now.
  void putFar() {
    for (int home = 0; home < context.numRanks; home++) {
      if (context.lanes.isNear(home) || context.state.isMasked(home)) {
        continue;
      }
      int rows = rowsOf(home);
      if (!encoded) {
        context.lanes.putReplies(home, epoch, 0, rows * rowBytes);
      }
      for (int slot = 0; encoded && slot < rows; slot++) {
        long at = slot * context.layout.combineRowBytes;
        context.lanes.putReplies(home, epoch, at, encodedBytes[home][slot]);
      }
    }
  }

  int numChunks() {
    return numChunks;
  }

  long numRows() {
    return numRows;
  }

  long bytesWritten() {
    return sum(written);
  }

  long wireBytes() {
    return sum(left);
  }

  private static long sum(long[] parts) {
    long sum = 0;
    for (long part : parts) {
      sum += part;
    }
    return sum;
  }

  @Override
  public void run(int chunk, int worker) {
    int end = (int) ((chunk + 1L) * numBlocks / numChunks);
    for (int block = (int) ((long) chunk * numBlocks / numChunks); block < end; block++) {
      int expert = block / context.numRanks;
      int source = block % context.numRanks;
      int count = handle.count(source, expert);
      if (count > 0 && !context.state.isMasked(source)) {
        long sent = encoded ? encode(expert, source, count) : copy(expert, source, count);
        written[worker] += sent;
        boolean stays = source == context.rank || !context.lanes.isNear(source);
        left[worker] += stays ? 0 : sent;
      }
    }
  }

  private long offset(int expert, int source) {
    return (expert * resultRows + handle.begin(source, expert)) * rowBytes;
  }

  private long copy(int expert, int source, int count) {
    long to =
        context.layout.replies(epoch, context.rank) + handle.firstSlot(source, expert) * rowBytes;
    MemorySegment.copy(y, offset(expert, source), context.lanes.at(source), to, count * rowBytes);
    return count * rowBytes;
  }

  private long encode(int expert, int source, int count) {
    long stride = context.layout.combineRowBytes;
    long from = offset(expert, source);
    long to =
        context.layout.replies(epoch, context.rank) + handle.firstSlot(source, expert) * stride;
    long sent = 0;
    MemorySegment lane = context.lanes.at(source);
    boolean far = !context.lanes.isNear(source);
    for (int i = 0; i < count; i++) {
      long bytes = encoder.encodeRow(y, from + i * rowBytes, lane, to + i * stride, context.hidden);
      if (far) {
        encodedBytes[source][handle.firstSlot(source, expert) + i] = Math.toIntExact(bytes);
      }
      sent += bytes;
    }
    return sent;
  }

  /// Forgets the call, so that nothing of the caller's is kept alive.
  void clear() {
    handle = null;
    y = null;
  }
}
