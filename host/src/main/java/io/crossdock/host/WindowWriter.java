package io.crossdock.host;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;

import io.crossdock.core.protocol.Entry;
import io.crossdock.core.protocol.HandleData;
import io.crossdock.core.spi.DispatchCall;
import io.crossdock.ffi.StreamingCopy;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;

/// Writes rows, and what goes along with them, to their places in the receive windows of the ranks
/// of this node.
///
/// Prepared on the thread that runs the call; used by its workers.
final class WindowWriter {
  /// A row that does not go into a window in this round.
  static final long ELSEWHERE = -1;

  private final HostContext context;
  private final long[] windows;
  private final long[] firstRows;
  private final long[] endRows;
  private HandleData handle;
  private long rowBytes;
  private long scaleBytes;
  private int topk;
  private int indexBytes;
  private boolean streams;

  WindowWriter(HostContext context) {
    this.context = context;
    windows = new long[context.numRanks];
    firstRows = new long[context.numRanks];
    endRows = new long[context.numRanks];
  }

  /// Takes over a call whose epoch was entered.
  ///
  /// @param numRows that will be written in all
  void prepare(DispatchCall call, long numRows) {
    handle = call.handle;
    rowBytes = call.x.rowBytes();
    scaleBytes = call.scales == null ? 0 : call.scales.rowBytes();
    topk = call.topkIdx == null ? 0 : context.planner.topk();
    indexBytes = call.topkIdx == null ? 0 : call.topkIdx.dtype().bytes();
    streams = numRows * rowBytes >= CopyTask.STREAMED_BYTES;
  }

  /// Limits what follows to the rows that fit into the windows in a round.
  void round(int round) {
    Arrays.fill(endRows, 0);
    for (int dst = context.place.firstNear(); dst < context.place.endNear(); dst++) {
      Entry entry = context.protocol.entry(dst);
      windows[dst] = context.layout.receive(entry.window);
      firstRows[dst] = round * entry.capacityRows;
      endRows[dst] = firstRows[dst] + entry.capacityRows;
    }
  }

  /// {@return the row of a window, or [#ELSEWHERE]}
  ///
  /// @param dst a rank
  /// @param row among all that it receives
  long slot(int dst, long row) {
    return row >= firstRows[dst] && row < endRows[dst] ? row - firstRows[dst] : ELSEWHERE;
  }

  /// {@return where a row of a window lies in the memory of its rank}
  long rowAt(int dst, long slot) {
    return windows[dst] + slot * rowBytes;
  }

  /// Copies a row or a piece of it.
  ///
  /// @param dst a rank of this node
  /// @param target from [#rowAt] on
  void putPiece(int dst, long target, MemorySegment from, long offset, long bytes) {
    if (streams) {
      StreamingCopy.copy(from, offset, context.pages[dst], target, bytes);
    } else {
      MemorySegment.copy(from, offset, context.pages[dst], target, bytes);
    }
  }

  void putSource(int dst, long slot, int token) {
    long at = windows[dst] + context.layout.recvSource + slot * 4;
    context.pages[dst].set(JAVA_INT_UNALIGNED, at, token);
  }

  void putScales(int dst, long slot, MemorySegment from, long offset) {
    long at = windows[dst] + context.layout.recvScales + slot * scaleBytes;
    MemorySegment.copy(from, offset, context.pages[dst], at, scaleBytes);
  }

  /// {@return the index of an expert at a rank, or -1 if it lives elsewhere or is none}
  int localExpert(int dst, int expert) {
    int perRank = handle.numExperts / context.numRanks;
    int local = expert - dst * perRank;
    return local >= 0 && local < perRank ? local : -1;
  }

  /// Writes choice k of a row.
  ///
  /// @param local from [#localExpert]
  void putChoice(int dst, long slot, int k, int local) {
    MemorySegment page = context.pages[dst];
    long at = windows[dst] + context.layout.recvTopkIdx + (slot * topk + k) * indexBytes;
    if (indexBytes == 8) {
      page.set(JAVA_LONG_UNALIGNED, at, (long) local);
    } else {
      page.set(JAVA_INT_UNALIGNED, at, local);
    }
  }

  void putWeight(int dst, long slot, int k, float weight) {
    long at = windows[dst] + context.layout.recvTopkWeights + (slot * topk + k) * 4;
    context.pages[dst].set(JAVA_FLOAT_UNALIGNED, at, weight);
  }

  void clear() {
    handle = null;
  }
}
