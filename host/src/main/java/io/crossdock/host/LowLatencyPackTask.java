package io.crossdock.host;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;

import io.crossdock.core.LowLatencyFormat;
import io.crossdock.core.spi.LowLatencyDispatchCall;
import java.lang.foreign.MemorySegment;

/// Copies received rows from the lanes to where they are packed: the rows that a source sent to a
/// local expert lie side by side in its lane and in the result. Scales are transposed.
///
/// Prepared on the thread that runs the call; its chunks run on any worker.
final class LowLatencyPackTask implements ChunkTask {
  /// Where the exponent of a float32 begins.
  private static final int EXPONENT_SHIFT = 23;

  private final LowLatencyContext context;
  private final MemorySegment page;
  private final int groups;
  private final long scaleBytes;
  private HostLowLatencyHandle handle;
  private LowLatencyDispatchCall call;
  private LowLatencyFormat format;
  private long rowBytes;
  private long resultRows;
  private long epoch;
  private int numBlocks;
  private int numChunks;

  LowLatencyPackTask(LowLatencyContext context) {
    this.context = context;
    this.page = context.pages[context.rank];
    this.scaleBytes = context.host.spec.maxScaleBytes();
    this.groups = (int) (scaleBytes / Float.BYTES);
  }

  void prepare(LowLatencyDispatchCall dispatch) {
    call = dispatch;
    handle = (HostLowLatencyHandle) dispatch.handle;
    format = dispatch.format;
    rowBytes = (long) context.hidden * format.rowType().bytes();
    resultRows = (long) dispatch.numMaxTokens * context.numRanks;
    epoch = dispatch.epoch;
    numBlocks = handle.numLocalExperts() * context.numRanks;
    long rows = 0;
    for (int expert = 0; expert < handle.numLocalExperts(); expert++) {
      rows += handle.total(expert);
    }
    numChunks = LowLatencyContext.chunks(rows * rowBytes, numBlocks);
  }

  int numChunks() {
    return numChunks;
  }

  @Override
  public void run(int chunk, int worker) {
    int end = (int) ((chunk + 1L) * numBlocks / numChunks);
    for (int block = (int) ((long) chunk * numBlocks / numChunks); block < end; block++) {
      int expert = block / context.numRanks;
      int source = block % context.numRanks;
      int count = handle.count(source, expert);
      if (count > 0) {
        packBlock(expert, source, count);
      }
    }
  }

  private void packBlock(int expert, int source, int count) {
    long slot = handle.firstSlot(source, expert);
    long row = handle.begin(source, expert);
    MemorySegment.copy(
        page,
        context.layout.rows(epoch, source) + slot * rowBytes,
        call.result.rows(),
        (expert * resultRows + row) * rowBytes,
        count * rowBytes);
    MemorySegment.copy(
        page,
        JAVA_INT,
        context.layout.sources(epoch, source) + slot * 4,
        call.result.srcInfo(),
        JAVA_INT_UNALIGNED,
        (expert * resultRows + row) * 4,
        count);
    long from = context.layout.scales(epoch, source) + slot * scaleBytes;
    if (format == LowLatencyFormat.FP8_UE8M0) {
      packExponents(from, expert, row, count);
    } else if (format.isFp8()) {
      transpose(from, expert, row, count);
    }
  }

  private void transpose(long from, int expert, long row, int count) {
    MemorySegment to = call.result.scales();
    for (int group = 0; group < groups; group++) {
      long at = ((expert * (long) groups + group) * resultRows + row) * 4;
      long source = from + group * 4L;
      for (int i = 0; i < count; i++) {
        int bits = page.get(JAVA_INT_UNALIGNED, source + i * scaleBytes);
        to.set(JAVA_INT_UNALIGNED, at + i * 4L, bits);
      }
    }
  }

  /// Four exponents to a word, the first in the lowest byte; spare bytes are 0.
  private void packExponents(long from, int expert, long row, int count) {
    MemorySegment to = call.result.scales();
    int words = (groups + 3) / 4;
    for (int word = 0; word < words; word++) {
      long at = ((expert * (long) words + word) * resultRows + row) * 4;
      for (int i = 0; i < count; i++) {
        long scales = from + i * scaleBytes + word * 16L;
        for (int part = 0; part < 4; part++) {
          boolean spare = word * 4 + part >= groups;
          int bits = spare ? 0 : page.get(JAVA_INT_UNALIGNED, scales + part * 4L);
          to.set(JAVA_BYTE, at + i * 4L + part, (byte) (bits >>> EXPONENT_SHIFT));
        }
      }
    }
  }

  /// Forgets the call, so that nothing of the caller's is kept alive.
  void clear() {
    call = null;
    handle = null;
  }
}
